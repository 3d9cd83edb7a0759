//! Tests of typed interrupts on the fake machine: every mode, from grant to drop.

mod cpus;
mod lines;
mod messages;
mod selection;
mod teardown;
mod watch;
mod widths;

use core::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;

use switchboard::config::Address;
use switchboard::function::Resources;
use switchboard::interrupt::{Claim, InIsr, InterruptPort, LineIsr, MessageIsr};
use switchboard_testing::{FakeFunction, FakeMachine};

switchboard::messages! {
    enum Nic { Rx, Tx, Link }
}

#[derive(Default)]
struct Shared {
    mine: AtomicUsize,
    calls: AtomicUsize,
    messages: MessageLog,
}

#[derive(Default)]
struct MessageLog(std::sync::Mutex<Vec<Nic>>);

impl Shared {
    /// A context whose line handler claims the next `count` interrupts.
    fn raising(count: usize) -> Arc<Self> {
        Arc::new(Self { mine: AtomicUsize::new(count), ..Self::default() })
    }

    fn calls(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }

    fn messages(&self) -> Vec<Nic> {
        self.messages.0.lock().unwrap().clone()
    }
}

impl LineIsr for Shared {
    fn on_line(&self, _isr: &InIsr<'_>) -> Claim {
        self.calls.fetch_add(1, Ordering::Relaxed);
        match self.mine.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |mine| mine.checked_sub(1)) {
            Ok(_) => Claim::Mine,
            Err(_) => Claim::NotMine,
        }
    }
}

impl MessageIsr<3> for Shared {
    type Message = Nic;
    fn on_message(&self, message: Nic, _isr: &InIsr<'_>) {
        self.messages.0.lock().unwrap().push(message);
    }
}

fn address(device: u8) -> Address {
    Address::new(0, 0, device, 0)
}

fn nic() -> FakeFunction {
    FakeFunction::new(0x1af4, 0x1041).at("00:03.0").bar(1, 0x1000).pin(1, 11)
}

fn port(fake: &FakeMachine, device: u8) -> InterruptPort {
    let Resources { irq, .. } = fake.machine().take(address(device)).expect("a function").claim().expect("claimed");
    irq
}

/// A handler with state of its own, which needs neither atomics nor locks.
struct Counting {
    calls: usize,
}

impl switchboard::interrupt::MessageRoutine for Counting {
    fn on_message(&mut self, _isr: &InIsr<'_>) {
        self.calls += 1;
    }
}

impl switchboard::interrupt::LineRoutine for Counting {
    fn on_line(&mut self, _isr: &InIsr<'_>) -> Claim {
        self.calls += 1;
        if self.calls % 2 == 1 { Claim::Mine } else { Claim::NotMine }
    }
}
