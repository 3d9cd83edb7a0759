//! A slot under fire: one CPU dispatches while another changes the handler.

#![expect(unsafe_code, reason = "the models dispatch")]

use alloc::sync::Arc;

use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use loom::thread;

use super::life::Life;
use crate::vector::slot::VectorSlot;
use crate::vector::{Claim, HandlerBox, ServeInterrupt};

/// All orders.
pub const PREEMPTIONS: Option<usize> = None;

/// A handler whose use after its end is noticed.
struct Handler {
    life: &'static Life,
    calls: Arc<AtomicUsize>,
}

impl Handler {
    fn bound() -> (HandlerBox, Arc<AtomicUsize>) {
        let calls = Arc::new(AtomicUsize::new(0));
        (HandlerBox::new(Self { life: Life::begin(), calls: calls.clone() }), calls)
    }
}

impl ServeInterrupt for Handler {
    fn serve(&self) -> Claim {
        self.life.is_used();
        self.calls.fetch_add(1, Ordering::Relaxed);
        Claim::Mine
    }
}

impl Drop for Handler {
    fn drop(&mut self) {
        self.life.end();
    }
}

/// An empty slot, whose atomics are made before there are threads.
fn slot() -> Arc<VectorSlot> {
    let slot = VectorSlot::new();
    assert!(slot.replace(None).is_none());
    assert_eq!(slot.unexpected(), 0);
    Arc::new(slot)
}

fn dispatch_twice(slot: &Arc<VectorSlot>) -> thread::JoinHandle<()> {
    let slot = slot.clone();
    thread::spawn(move || {
        for _ in 0..2 {
            // SAFETY: this is the only thread that dispatches.
            unsafe { slot.dispatch() };
        }
    })
}

/// Each delivery finds the old handler or the new one; the old one comes back idle, and its end is ordered after
/// all that it did.
pub fn replaced_under_fire() {
    let slot = slot();
    let (old, old_calls) = Handler::bound();
    let (new, new_calls) = Handler::bound();
    assert!(slot.replace(Some(old)).is_none());
    let cpu = dispatch_twice(&slot);
    let old = slot.replace(Some(new));
    let until_now = old_calls.load(Ordering::Relaxed);
    drop(old.expect("the old handler came back"));
    cpu.join().expect("no panic");
    assert_eq!(old_calls.load(Ordering::Relaxed), until_now, "called after it was taken out");
    assert_eq!(until_now + new_calls.load(Ordering::Relaxed), 2, "each delivery is served once");
    assert_eq!(slot.unexpected(), 0);
    drop(slot.replace(None));
}

/// As above, without a new handler: deliveries to the empty slot are counted.
pub fn taken_out_under_fire() {
    let slot = slot();
    let (handler, calls) = Handler::bound();
    assert!(slot.replace(Some(handler)).is_none());
    let cpu = dispatch_twice(&slot);
    let handler = slot.replace(None);
    let until_now = calls.load(Ordering::Relaxed);
    assert!(handler.is_some(), "the handler came back");
    drop(handler);
    cpu.join().expect("no panic");
    assert_eq!(calls.load(Ordering::Relaxed), until_now, "called after it was taken out");
    assert_eq!(u64::try_from(until_now).expect("2 at most") + slot.unexpected(), 2, "each delivery is counted once");
}

/// A handler that takes itself out, and gives the slot away.
struct OneShot {
    life: &'static Life,
    slot: Arc<VectorSlot>,
    is_free: Arc<AtomicBool>,
}

impl ServeInterrupt for OneShot {
    fn serve(&self) -> Claim {
        drop(self.slot.replace(None));
        self.is_free.store(true, Ordering::Release);
        self.life.is_used();
        Claim::Mine
    }
}

impl Drop for OneShot {
    fn drop(&mut self) {
        self.life.end();
    }
}

/// A handler that takes itself out runs to its end, and is freed once: by the next use of the slot, which comes while the handler
/// still runs.
pub fn takes_itself_out() {
    let slot = slot();
    let is_free = Arc::new(AtomicBool::new(false));
    let one_shot = OneShot { life: Life::begin(), slot: slot.clone(), is_free: is_free.clone() };
    assert!(slot.replace(Some(HandlerBox::new(one_shot))).is_none());
    let cpu = dispatch_twice(&slot);
    while !is_free.load(Ordering::Acquire) {
        thread::yield_now();
    }
    let (next, calls) = Handler::bound();
    assert!(slot.replace(Some(next)).is_none(), "the slot was empty");
    cpu.join().expect("no panic");
    let served = u64::try_from(calls.load(Ordering::Relaxed)).expect("1 at most");
    assert_eq!(served + slot.unexpected(), 1, "the second delivery");
    assert!(slot.replace(None).is_some());
    assert_eq!(Arc::strong_count(&slot), 1, "the first handler was freed");
}
