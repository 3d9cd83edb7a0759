//! Functions that go away: at once, or in the middle of what a driver does to them.
//!
//! Registers are heap that the framework reads and writes by itself, so it tells of each access before it makes it
//! ([`touch`], compiled in with the fake machine only). There accesses are counted, and there a function leaves whose
//! time has come: its registers turn to ones, and take no more writes.

#![expect(unsafe_code, reason = "registers turn to ones under the driver that has them mapped")]

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use core::fmt;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::controller::Tick;
use crate::sync::IrqLock;

/// How long one function stays.
pub(super) struct Stay {
    /// What the device does before each access to its registers.
    act: IrqLock<Option<Arc<Tick>>>,
    accesses: AtomicUsize,
    /// Leaves instead of taking more accesses than these.
    most: AtomicUsize,
    is_gone: AtomicBool,
}

impl Stay {
    pub(super) fn new() -> Arc<Self> {
        let (accesses, most) = (AtomicUsize::new(0), AtomicUsize::new(usize::MAX));
        Arc::new(Self { act: IrqLock::new(None), accesses, most, is_gone: AtomicBool::new(false) })
    }

    pub(super) fn on_access(&self, act: Arc<Tick>) {
        *self.act.lock() = Some(act);
    }

    /// Counts an access of the framework. Says whether the function is there to take it.
    pub(super) fn arrive(&self) -> bool {
        if self.accesses.load(Ordering::SeqCst) >= self.most.load(Ordering::SeqCst) {
            self.leave();
        }
        let is_there = !self.is_gone();
        self.accesses.fetch_add(usize::from(is_there), Ordering::SeqCst);
        is_there
    }

    /// Has it leave before the access that follows `more` others.
    pub(super) fn schedule(&self, more: usize) {
        self.most.store(self.accesses.load(Ordering::SeqCst) + more, Ordering::SeqCst);
    }

    pub(super) fn leave(&self) {
        self.is_gone.store(true, Ordering::SeqCst);
    }

    pub(super) fn is_gone(&self) -> bool {
        self.is_gone.load(Ordering::SeqCst)
    }
}

impl fmt::Debug for Stay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stay").field("accesses", &self.accesses).field("is_gone", &self.is_gone).finish_non_exhaustive()
    }
}

/// Registers of one BAR.
struct Registers {
    /// As it was made, since that may write all of it.
    start: NonNull<u8>,
    length: usize,
    stay: Arc<Stay>,
    is_wiped: bool,
}

// SAFETY: the memory is leaked heap, and belongs to no thread.
unsafe impl Send for Registers {}

/// The registers of all machines of the process, by where they begin.
static REGISTERS: IrqLock<BTreeMap<usize, Registers>> = IrqLock::new(BTreeMap::new());

/// Says whose registers are in `length` bytes at `start`: heap that is never given back.
pub(super) fn register(start: NonNull<u8>, length: usize, stay: Arc<Stay>) {
    REGISTERS.lock().insert(start.addr().get(), Registers { start, length, stay, is_wiped: false });
}

/// Told before each access to a mapped register. Says whether there is anything that a write would reach.
pub(crate) fn touch(pointer: NonNull<u8>) -> bool {
    let place = pointer.addr().get();
    let mut all = REGISTERS.lock();
    let Some((start, registers)) = all.range_mut(..=place).next_back() else { return true };
    if place - start >= registers.length {
        return true;
    }
    if registers.stay.arrive() {
        let act = registers.stay.act.lock().clone();
        drop(all);
        act.inspect(|act| act());
        return true;
    }
    if !registers.is_wiped {
        registers.is_wiped = true;
        for offset in 0..registers.length {
            // SAFETY: the offset lies within the registers.
            let byte = unsafe { registers.start.add(offset) };
            // SAFETY: as above, and registers are only ever accessed volatile.
            unsafe { byte.write_volatile(u8::MAX) };
        }
    }
    false
}
