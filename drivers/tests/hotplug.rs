//! The driver of a port against a slot made of memory: what it tells its users, and what it tells the slot.

use core::future::{Future, poll_fn};
use core::pin::{Pin, pin};
use core::task::{Context, Poll, Waker};

use embedded_hal_async::delay::DelayNs;
use switchboard::config::Address;
use switchboard::driver::attach;
use switchboard::fake::{FakeFunction, FakeMachine};
use switchboard_drivers::hotplug::{GRACE, HotplugPort, HotplugSlot, SlotChange};

fn port() -> Address {
    Address::new(0, 0, 4, 0)
}
fn behind() -> Address {
    Address::new(0, 1, 0, 0)
}

/// Slot Capabilities: a button, a power controller, both lights, surprises allowed, number 7.
const CAPABILITIES: u32 = 7 << 19 | 0b111_1011;
/// The same of a slot that needs no time for commands.
const QUICK: u32 = CAPABILITIES | 1 << 18;

const LINK_STATUS: u16 = 0x12;
const CONTROL: u16 = 0x18;
const STATUS: u16 = 0x1a;

const BUTTON: u16 = 1;
const FAULT: u16 = 2;
const PRESENCE: u16 = 8;
const COMPLETED: u16 = 1 << 4;
const OCCUPIED: u16 = 1 << 6;
const LINK: u16 = 1 << 8;

/// Slot Control: the power indicator's two bits, and power.
const ON: u16 = 1 << 8;
const BLINKING: u16 = 2 << 8;
const OFF: u16 = 3 << 8 | 1 << 10;

/// Time that passes when the test says so.
struct TestDelay(&'static FakeMachine);

impl DelayNs for TestDelay {
    async fn delay_ns(&mut self, nanoseconds: u32) {
        let clock = self.0.machine().clock;
        let until = clock.now() + u64::from(nanoseconds);
        poll_fn(|_| if clock.now() >= until { Poll::Ready(()) } else { Poll::Pending }).await;
    }
}

struct Bench {
    fake: &'static FakeMachine,
    express: u16,
    runner: Pin<Box<dyn Future<Output = ()>>>,
    slot: HotplugSlot,
}

fn card(device: u16) -> FakeFunction {
    FakeFunction::new(0x1234, device).at("01:00.0").bar(0, 0x1000).pin(1, 10).msi(1)
}

/// A running port, with a card in its slot or without.
fn bench(capabilities: u32, grace: u32, has_card: bool) -> Bench {
    let function = FakeFunction::new(0x1b36, 0x000c).at("00:04.0").pin(1, 10).msi(1).port(1, capabilities);
    let fake: &FakeMachine = Box::leak(Box::new(FakeMachine::new([function])));
    let express = fake.find_capability(port(), 0x10).expect("it was made with one");
    if has_card {
        fake.insert(card(0x11e8));
        fake.machine().scan();
        fake.set_config(port(), express + STATUS, OCCUPIED);
        fake.set_config(port(), express + LINK_STATUS, 1 << 13);
    }
    let driver: HotplugPort = attach(fake.machine().take(port()).expect("nobody has it")).expect("a good port");
    let (runner, slot) = driver.split(grace);
    let mut bench = Bench { fake, express, runner: Box::pin(runner.run(TestDelay(fake))), slot };
    bench.pass(0);
    bench
}

impl Bench {
    /// Lets time pass, in steps of 10 ms; the slot carries commands out.
    fn pass(&mut self, milliseconds: u64) {
        for _ in 0..=milliseconds / 10 {
            let mut context = Context::from_waker(Waker::noop());
            assert!(self.runner.as_mut().poll(&mut context).is_pending(), "the runner ended");
            self.fake.advance(10_000_000);
            self.fake.settle();
        }
    }

    /// Sets the state of the slot and announces events.
    fn announce(&self, is_occupied: bool, events: u16) {
        let state = if is_occupied { OCCUPIED } else { 0 };
        self.fake.set_config(port(), self.express + LINK_STATUS, if is_occupied { 1 << 13 } else { 0 });
        self.fake.set_config(port(), self.express + STATUS, state | events);
        self.fake.send(port(), 0).expect("the port has a message");
    }

    fn lights_and_power(&self) -> u16 {
        self.fake.read_config(port(), self.express + CONTROL) & (3 << 8 | 1 << 10)
    }

    fn alarm(&self) -> bool {
        self.fake.read_config(port(), self.express + CONTROL) >> 6 & 3 == 1
    }

    fn change(&mut self) -> Option<SlotChange> {
        match pin!(self.slot.next()).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(change) => change,
            Poll::Pending => None,
        }
    }

    /// A card is put in.
    fn plug(&mut self, device: u16) {
        self.fake.insert(card(device));
        self.announce(true, PRESENCE | BUTTON | LINK);
    }

    fn is_known(&self) -> bool {
        self.fake.machine().functions().iter().any(|report| report.address == behind())
    }
}

#[test]
fn what_is_there_at_first_is_no_news() {
    let mut full = bench(QUICK, 0, true);
    assert_eq!((full.lights_and_power(), full.change()), (ON, None));
    let mut empty = bench(QUICK, 0, false);
    assert_eq!((empty.lights_and_power(), empty.change()), (OFF, None));
    assert_eq!(
        (empty.slot.number(), empty.slot.bus().contains(behind()), empty.slot.bus().contains(port())),
        (7, true, false)
    );
}

#[test]
fn what_comes_has_power_and_time_before_anybody_hears_of_it() {
    let mut bench = bench(QUICK, GRACE, false);
    bench.plug(0x11e8);
    bench.pass(50);
    assert_eq!((bench.lights_and_power(), bench.change()), (BLINKING, None));
    bench.pass(100);
    assert_eq!((bench.lights_and_power(), bench.change()), (ON, Some(SlotChange::Added)));
    assert!(!bench.is_known());
    bench.fake.machine().scan();
    assert!(bench.is_known());
    // The button that was pressed with it is no wish of its own.
    bench.pass(6_000);
    assert_eq!(bench.change(), None);
}

#[test]
fn a_wish_can_be_taken_back_for_five_seconds() {
    let mut bench = bench(QUICK, GRACE, true);
    bench.announce(true, BUTTON);
    bench.pass(4_000);
    assert_eq!((bench.lights_and_power(), bench.change()), (BLINKING, None));
    bench.announce(true, BUTTON);
    bench.pass(6_000);
    assert_eq!((bench.lights_and_power(), bench.change()), (ON, None));
    bench.announce(true, BUTTON);
    bench.pass(5_100);
    assert_eq!((bench.lights_and_power(), bench.change()), (BLINKING, Some(SlotChange::RemovalAsked)));
    // The answer takes as long as it takes.
    bench.pass(20_000);
    assert_eq!(bench.lights_and_power(), BLINKING);
    bench.slot.release();
    bench.pass(0);
    assert_eq!((bench.lights_and_power(), bench.change(), bench.is_known()), (OFF, None, false));
    // It is in the slot still: pressed once more, it is used again.
    bench.announce(true, BUTTON);
    bench.pass(4_000);
    assert_eq!((bench.lights_and_power(), bench.change()), (BLINKING | 1 << 10, None));
    bench.pass(2_000);
    assert_eq!((bench.lights_and_power(), bench.change()), (ON, Some(SlotChange::Added)));
}

#[test]
fn without_grace_the_wish_is_passed_on_at_once_and_may_be_refused() {
    let mut bench = bench(QUICK, 0, true);
    bench.announce(true, BUTTON);
    bench.pass(0);
    assert_eq!((bench.lights_and_power(), bench.change()), (BLINKING, Some(SlotChange::RemovalAsked)));
    bench.slot.keep();
    bench.pass(0);
    assert_eq!((bench.lights_and_power(), bench.change(), bench.is_known()), (ON, None, true));
}

#[test]
fn what_is_pulled_is_gone_for_its_driver_before_its_users_hear_of_it() {
    let mut bench = bench(QUICK, GRACE, true);
    let resources = bench.fake.machine().take(behind()).expect("nobody has it").claim().expect("a claim");
    bench.fake.remove(behind());
    bench.announce(false, PRESENCE | LINK);
    bench.pass(0);
    assert!(resources.presence.is_gone());
    assert_eq!((bench.lights_and_power(), bench.change()), (OFF, Some(SlotChange::Gone)));
    assert!(bench.is_known());
    drop(resources);
    assert!(!bench.is_known());
    bench.plug(0x11e9);
    bench.pass(200);
    bench.fake.machine().scan();
    assert_eq!((bench.change(), bench.is_known()), (Some(SlotChange::Added), true));
}

#[test]
fn what_was_exchanged_is_gone_and_come() {
    let mut bench = bench(QUICK, GRACE, true);
    let old = bench.fake.machine().take(behind()).expect("nobody has it").presence();
    bench.fake.remove(behind());
    bench.plug(0x5678);
    bench.pass(200);
    assert!(old.is_gone());
    assert_eq!(
        (bench.change(), bench.change(), bench.change()),
        (Some(SlotChange::Gone), Some(SlotChange::Added), None)
    );
    bench.fake.machine().scan();
    assert_eq!(bench.fake.machine().take(behind()).map(|function| function.id()), Some((0x1234, 0x5678)));
}

#[test]
fn an_answer_that_was_overtaken_does_not_count() {
    let mut bench = bench(QUICK, 0, true);
    bench.announce(true, BUTTON);
    bench.pass(0);
    assert_eq!(bench.change(), Some(SlotChange::RemovalAsked));
    bench.fake.remove(behind());
    bench.plug(0x5678);
    bench.pass(200);
    // The users have not heard yet that it is another by now.
    bench.slot.release();
    bench.pass(100);
    assert_eq!(
        (bench.lights_and_power(), bench.change(), bench.change()),
        (ON, Some(SlotChange::Gone), Some(SlotChange::Added))
    );
}

#[test]
fn faults_and_links_that_stay_down_call_for_attention() {
    let mut faulty = bench(QUICK, GRACE, true);
    faulty.announce(true, FAULT);
    faulty.pass(0);
    assert_eq!((faulty.lights_and_power(), faulty.alarm(), faulty.change()), (OFF, true, Some(SlotChange::Gone)));
    let mut deaf = bench(QUICK, GRACE, false);
    deaf.announce(true, PRESENCE);
    deaf.fake.set_config(port(), deaf.express + LINK_STATUS, 0);
    deaf.pass(2_000);
    assert_eq!((deaf.lights_and_power(), deaf.alarm(), deaf.change()), (OFF, true, None));
    let mut dumb = bench(QUICK, GRACE, false);
    dumb.announce(true, PRESENCE);
    dumb.pass(2_000);
    assert_eq!((dumb.lights_and_power(), dumb.alarm(), dumb.change()), (OFF, true, None), "nothing answers");
}

#[test]
fn power_that_is_cut_is_a_removal_without_a_word() {
    let mut bench = bench(QUICK, GRACE, true);
    bench.slot.cut_power();
    bench.pass(0);
    assert_eq!((bench.lights_and_power(), bench.change()), (OFF, None));
    bench.fake.remove(behind());
    bench.announce(false, PRESENCE | LINK);
    bench.pass(0);
    assert_eq!((bench.change(), bench.is_known()), (Some(SlotChange::Gone), false));
}

#[test]
fn a_slot_takes_one_command_at_a_time() {
    let mut bench = bench(CAPABILITIES, 0, true);
    // Nothing more is commanded before the slot has said that it is done with the first, which was to listen.
    bench.pass(500);
    assert_eq!(bench.lights_and_power(), 0);
    bench.announce(true, COMPLETED);
    bench.pass(0);
    assert_eq!(bench.lights_and_power(), ON);
    // One that never says so is not waited for for ever.
    bench.announce(true, BUTTON);
    bench.pass(900);
    assert_eq!(bench.change(), None);
    bench.pass(1_200);
    assert_eq!((bench.lights_and_power(), bench.change()), (BLINKING, Some(SlotChange::RemovalAsked)));
}

#[test]
fn a_press_while_a_card_comes_up_is_no_wish() {
    let mut bench = bench(QUICK, 0, false);
    bench.plug(0x11e8);
    bench.pass(50);
    bench.announce(true, BUTTON);
    bench.pass(200);
    assert_eq!((bench.change(), bench.change(), bench.lights_and_power()), (Some(SlotChange::Added), None, ON));
}
