//! Tests of the watch: interrupts that do not arrive, requests that do not finish.

use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::Arc;

use switchboard::function::{Fault, Presence};
use switchboard::interrupt::{Activity, Claim, InIsr, LineIsr, MessageIsr};
use switchboard::mmio::{Bar, ReadOnly, Reg, RegisterBlock};
use switchboard_testing::{FakeFunction, FakeMachine};

use crate::{address, port};

switchboard::messages! {
    enum RingMessage { Done }
}

/// A device with a ring, and a driver whose handler wakes a task.
#[derive(Default)]
struct Ring {
    /// Entries that the device has written, and those that the task has taken.
    written: AtomicU32,
    taken: AtomicU32,
    submitted: AtomicU32,
    /// The cause that a line handler acknowledges.
    cause: AtomicBool,
    is_woken: AtomicBool,
    looks: AtomicU32,
}

impl Ring {
    /// The device writes an entry.
    fn write(&self) {
        self.written.fetch_add(1, Ordering::Relaxed);
        self.cause.store(true, Ordering::Relaxed);
    }

    /// The task runs, if it was woken.
    fn run_task(&self) {
        if self.is_woken.swap(false, Ordering::Relaxed) {
            self.taken.store(self.written.load(Ordering::Relaxed), Ordering::Relaxed);
        }
    }

    fn has_pending(&self) -> bool {
        self.taken.load(Ordering::Relaxed) != self.written.load(Ordering::Relaxed)
    }

    fn shown(&self) -> Activity {
        self.looks.fetch_add(1, Ordering::Relaxed);
        let (written, taken) = (self.written.load(Ordering::Relaxed), self.taken.load(Ordering::Relaxed));
        let in_flight = self.submitted.load(Ordering::Relaxed).saturating_sub(written);
        Activity::pending_if((written != taken).then_some(taken)).with_requests(in_flight, written)
    }
}

impl LineIsr for Ring {
    fn on_line(&self, _: &InIsr<'_>) -> Claim {
        if !self.cause.swap(false, Ordering::Relaxed) {
            return Claim::NotMine;
        }
        self.is_woken.store(true, Ordering::Relaxed);
        Claim::Mine
    }

    fn activity(&self) -> Activity {
        self.shown()
    }
}

impl MessageIsr<1> for Ring {
    type Message = RingMessage;

    fn on_message(&self, _: RingMessage, _: &InIsr<'_>) {
        self.is_woken.store(true, Ordering::Relaxed);
    }

    fn activity(&self, _: RingMessage) -> Activity {
        self.shown()
    }
}

fn function() -> FakeFunction {
    FakeFunction::new(0x1af4, 0x1042).at("00:03.0").bar(1, 0x1000).pin(1, 11)
}

/// Looks `count` times, at the times when looks are due, and runs the task after each.
fn look(fake: &FakeMachine, ring: &Ring, count: usize) -> u64 {
    let mut passed_ns = 0;
    for _ in 0..count {
        let next_ns = fake.machine().check_interrupts();
        fake.deliver_raised();
        ring.run_task();
        fake.advance_ns(next_ns);
        passed_ns += next_ns;
    }
    passed_ns
}

fn faults(fake: &FakeMachine) -> Vec<Fault> {
    fake.machine().functions()[0].faults.clone()
}

#[test]
fn a_device_whose_line_is_not_delivered_is_polled() {
    let fake = FakeMachine::new([function()]);
    let ring = Arc::new(Ring::default());
    let _live = port(&fake, 3).grant_line().unwrap().register(ring.clone()).unmask();
    // The line works at first.
    ring.write();
    assert!(fake.assert_line(11));
    ring.run_task();
    look(&fake, &ring, 3);
    assert_eq!((faults(&fake), ring.has_pending()), (vec![], false));
    // The device has something to report, and its line reaches nothing.
    ring.write();
    let passed_ns = look(&fake, &ring, 3);
    assert_eq!((faults(&fake), ring.has_pending()), (vec![], false), "served by a call of the handler");
    ring.write();
    look(&fake, &ring, 3);
    assert!(!ring.has_pending());
    assert!((50_000_000..2_000_000_000).contains(&passed_ns), "{passed_ns}");
    assert_eq!(faults(&fake), [Fault::Polled { name: "line" }]);
    assert_eq!(faults(&fake)[0].to_string(), "interrupts do not arrive (line): polled");
    // From now on, within 10 ms.
    for _ in 0..10 {
        ring.write();
        assert!(look(&fake, &ring, 2) <= 20_000_000 && !ring.has_pending());
    }
    let row = &fake.machine().interrupt_report()[0];
    assert!(row.is_polled && row.polled >= 12, "{row:?}");
    assert_eq!((row.claimed(), row.unclaimed), (13, 0));
}

#[test]
fn a_device_whose_message_is_lost_is_polled_until_messages_arrive() {
    let fake = FakeMachine::new([function().msix(2, 1, 0, 0x800)]);
    let ring = Arc::new(Ring::default());
    let live = port(&fake, 3).grant_messages().unwrap().register(ring.clone()).unmask();
    look(&fake, &ring, 2);
    for _ in 0..2 {
        ring.write();
        look(&fake, &ring, 3);
    }
    assert_eq!((faults(&fake), ring.has_pending()), (vec![Fault::Polled { name: "Done" }], false));
    for _ in 0..3 {
        ring.write();
        fake.send(address(3), live.entry(RingMessage::Done)).expect("not masked");
        ring.run_task();
    }
    look(&fake, &ring, 2);
    assert_eq!(faults(&fake), []);
    assert!(!fake.machine().interrupt_report()[0].is_polled);
}

#[test]
fn a_task_that_is_busy_is_no_lost_interrupt() {
    let fake = FakeMachine::new([function().msix(2, 1, 0, 0x800)]);
    let ring = Arc::new(Ring::default());
    let live = port(&fake, 3).grant_messages().unwrap().register(ring.clone()).unmask();
    ring.write();
    fake.send(address(3), live.entry(RingMessage::Done)).expect("not masked");
    for _ in 0..20 {
        fake.advance_ns(fake.machine().check_interrupts());
        fake.deliver_raised();
    }
    assert_eq!(faults(&fake), []);
    assert_eq!(fake.machine().interrupt_report()[0].polled, 1);
    ring.run_task();
    assert!(!ring.has_pending());
}

#[test]
fn requests_that_do_not_finish_are_reported_until_they_do() {
    let fake = FakeMachine::new([function().msix(2, 1, 0, 0x800)]);
    let ring = Arc::new(Ring::default());
    let live = port(&fake, 3).grant_messages().unwrap().register(ring.clone()).unmask();
    ring.submitted.store(2, Ordering::Relaxed);
    let passed_ns = look(&fake, &ring, 5);
    assert_eq!((faults(&fake), passed_ns), (vec![], 5_000_000_000));
    look(&fake, &ring, 1);
    assert_eq!(faults(&fake), [Fault::Stalled { name: "Done", outstanding: 2 }]);
    assert_eq!(faults(&fake)[0].to_string(), "2 requests do not finish (Done)");
    assert_eq!(fake.machine().interrupt_report()[0].stalled, Some(2));
    ring.write();
    fake.send(address(3), live.entry(RingMessage::Done)).expect("not masked");
    ring.run_task();
    look(&fake, &ring, 1);
    assert_eq!(faults(&fake), []);
}

#[test]
fn a_function_that_is_removed_or_isolated_is_not_looked_at() {
    let fake = FakeMachine::new([function().msix(2, 1, 0, 0x800)]);
    let ring = Arc::new(Ring::default());
    let resources = fake.machine().take(address(3)).expect("a function").claim().expect("claimed");
    let live = resources.irq.grant_messages().unwrap().register(ring.clone()).unmask();
    look(&fake, &ring, 1);
    resources.bus.isolate();
    look(&fake, &ring, 3);
    assert_eq!(ring.looks.load(Ordering::Relaxed), 1);
    fake.remove(address(3));
    fake.machine().check_presence();
    look(&fake, &ring, 3);
    assert_eq!(ring.looks.load(Ordering::Relaxed), 1);
    drop(live);
    assert_eq!(Arc::strong_count(&ring), 1, "the context is dropped with its registration");
}

/// A device whose status register reads all ones once it is broken.
struct Status(Bar<Block>, Presence, AtomicBool);

struct Block;

impl RegisterBlock for Block {
    const SIZE: u64 = 0x100;
}

const STATUS: Reg<Block, u32, ReadOnly> = Reg::at(0);

impl MessageIsr<1> for Status {
    type Message = RingMessage;

    fn on_message(&self, _: RingMessage, _: &InIsr<'_>) {
        self.2.store(self.1.is_gone(), Ordering::Relaxed);
    }

    fn activity(&self, _: RingMessage) -> Activity {
        if self.0.read(&STATUS) == u32::MAX { Activity::UNRESPONSIVE } else { Activity::IDLE }
    }
}

/// Returns the milliseconds until the handler has seen that its function is gone.
fn ms_until_gone(break_it: impl Fn(&FakeMachine)) -> u64 {
    let fake = FakeMachine::new([function().bar(0, 0x1000).msix(2, 1, 0, 0x800)]);
    let resources = fake.machine().take(address(3)).expect("a function").claim().expect("claimed");
    let status = Status(resources.bar0.map().expect("a BAR"), resources.presence.clone(), AtomicBool::new(false));
    let status = Arc::new(status);
    let live = resources.irq.grant_messages().unwrap().register(status.clone()).unmask();
    let mut passed_ns = 0;
    while !status.2.load(Ordering::Relaxed) {
        if passed_ns > 3_000_000_000 {
            break_it(&fake);
        }
        let next_ns = fake.machine().check_interrupts();
        fake.deliver_raised();
        fake.advance_ns(next_ns);
        passed_ns += next_ns;
        assert!(passed_ns < 10_000_000_000, "it does not end");
    }
    assert!(resources.presence.is_gone());
    drop((live, status));
    passed_ns / 1_000_000
}

#[test]
fn a_function_that_is_removed_without_a_word_is_found_out() {
    assert_eq!(ms_until_gone(|fake| fake.remove(address(3))), 4_050);
}

#[test]
fn a_function_whose_registers_read_ones_is_treated_as_removed() {
    assert_eq!(ms_until_gone(|fake| fake.write_register(address(3), 0, 0, u32::MAX)), 5_050);
}
