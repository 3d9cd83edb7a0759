//! A port with a slot made of memory, a card to add to it, and a clock that the test advances.

use core::future::{Future, poll_fn};
use core::pin::{Pin, pin};
use core::task::{Context, Poll, Waker};

use embedded_hal_async::delay::DelayNs;
use switchboard::config::Address;
use switchboard::driver::attach;
use switchboard_drivers::hotplug::{HotplugPort, SlotChange, SlotMonitor};
use switchboard_testing::{FakeFunction, FakeMachine};

pub(crate) fn port() -> Address {
    Address::new(0, 0, 4, 0)
}
pub(crate) fn behind() -> Address {
    Address::new(0, 1, 0, 0)
}

/// Slot Capabilities: attention button, power controller, both indicators, surprise removal, slot number 7.
pub(crate) const CAPABILITIES: u32 = 7 << 19 | 0b111_1011;
/// The same for a slot whose commands complete at once.
pub(crate) const QUICK: u32 = CAPABILITIES | 1 << 18;

pub(crate) const LINK_STATUS: u16 = 0x12;
pub(crate) const CONTROL: u16 = 0x18;
pub(crate) const STATUS: u16 = 0x1a;

pub(crate) const BUTTON: u16 = 1;
pub(crate) const FAULT: u16 = 2;
pub(crate) const PRESENCE: u16 = 8;
pub(crate) const COMPLETED: u16 = 1 << 4;
pub(crate) const OCCUPIED: u16 = 1 << 6;
pub(crate) const LINK: u16 = 1 << 8;

/// Slot Control: the power indicator and the power controller.
pub(crate) const ON: u16 = 1 << 8;
pub(crate) const BLINKING: u16 = 2 << 8;
pub(crate) const OFF: u16 = 3 << 8 | 1 << 10;

/// A delay by the clock that the test advances.
struct TestDelay(&'static FakeMachine);

impl DelayNs for TestDelay {
    async fn delay_ns(&mut self, nanoseconds: u32) {
        let clock = self.0.machine().clock();
        let until = clock.now_ns() + u64::from(nanoseconds);
        poll_fn(|_| if clock.now_ns() >= until { Poll::Ready(()) } else { Poll::Pending }).await;
    }
}

pub(crate) struct Bench {
    pub(crate) fake: &'static FakeMachine,
    pub(crate) express: u16,
    pub(crate) runner: Pin<Box<dyn Future<Output = ()>>>,
    pub(crate) slot: SlotMonitor,
}

pub(crate) fn card(device: u16) -> FakeFunction {
    FakeFunction::new(0x1234, device).at("01:00.0").bar(0, 0x1000).pin(1, 10).msi(1)
}

/// Returns a running port, with or without a card in its slot.
pub(crate) fn bench(capabilities: u32, grace_ms: u32, has_card: bool) -> Bench {
    bench_of(FakeFunction::new(0x1b36, 0x000c).msi(1), capabilities, grace_ms, has_card)
}

/// The same for a port without messages.
pub(crate) fn bench_by_line(capabilities: u32, grace_ms: u32, has_card: bool) -> Bench {
    bench_of(FakeFunction::new(0x1b36, 0x000c), capabilities, grace_ms, has_card)
}

fn bench_of(function: FakeFunction, capabilities: u32, grace_ms: u32, has_card: bool) -> Bench {
    let function = function.at("00:04.0").pin(1, 10).root_port(1, capabilities);
    let fake: &FakeMachine = Box::leak(Box::new(FakeMachine::new([function])));
    let express = fake.find_capability(port(), 0x10).expect("it was made with one");
    if has_card {
        fake.insert(card(0x11e8));
        fake.machine().scan();
        fake.set_config(port(), express + STATUS, OCCUPIED);
        fake.set_config(port(), express + LINK_STATUS, 1 << 13);
    }
    let driver: HotplugPort =
        attach(fake.machine().take(port()).expect("a function that no driver has")).expect("a good port");
    let (runner, slot) = driver.split(grace_ms);
    let mut bench = Bench { fake, express, runner: Box::pin(runner.run(TestDelay(fake))), slot };
    bench.pass(0);
    bench
}

impl Bench {
    /// Advances the clock in steps of 10 ms, and polls the runner.
    pub(crate) fn pass(&mut self, time_ms: u64) {
        for _ in 0..=time_ms / 10 {
            let mut context = Context::from_waker(Waker::noop());
            assert!(self.runner.as_mut().poll(&mut context).is_pending(), "the runner ended");
            self.fake.advance_ns(10_000_000);
            self.fake.deliver_raised();
        }
    }

    /// Sets the state and the events of the slot, and interrupts.
    pub(crate) fn announce(&self, is_occupied: bool, events: u16) {
        self.change_without_interrupt(is_occupied, events);
        self.fake.send(port(), 0).expect("the port has a message");
    }

    /// The same without the interrupt.
    pub(crate) fn change_without_interrupt(&self, is_occupied: bool, events: u16) {
        let state = if is_occupied { OCCUPIED } else { 0 };
        self.fake.set_config(port(), self.express + LINK_STATUS, if is_occupied { 1 << 13 } else { 0 });
        self.fake.set_config(port(), self.express + STATUS, state | events);
    }

    pub(crate) fn indicator_and_power(&self) -> u16 {
        self.fake.read_config(port(), self.express + CONTROL) & (3 << 8 | 1 << 10)
    }

    pub(crate) fn is_attention_on(&self) -> bool {
        self.fake.read_config(port(), self.express + CONTROL) >> 6 & 3 == 1
    }

    pub(crate) fn change(&mut self) -> Option<SlotChange> {
        match pin!(self.slot.next()).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(change) => change,
            Poll::Pending => None,
        }
    }

    /// Adds a card to the slot.
    pub(crate) fn plug(&mut self, device: u16) {
        self.fake.insert(card(device));
        self.announce(true, PRESENCE | BUTTON | LINK);
    }

    pub(crate) fn is_found(&self) -> bool {
        self.fake.machine().functions().iter().any(|report| report.address == behind())
    }
}
