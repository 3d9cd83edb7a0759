//! One CPU with a local APIC: between two accesses to shared memory or to a device, it takes what is pending.

#![expect(unsafe_code, reason = "the CPU delivers interrupts")]

use core::cell::Cell;

use loom::sync::atomic::{AtomicU64, Ordering};

use crate::interrupt::VectorTable;

/// The vectors below are exceptions.
const FIRST: u8 = 32;

pub(crate) struct Cpu {
    /// The interrupt request register, from [`FIRST`] on: a message to a vector that is pending already is one with it.
    requested: AtomicU64,
    pub(crate) vectors: VectorTable,
}

loom::thread_local! {
    /// The CPU that this thread runs on, in models that have one.
    static RUNS: Cell<Option<&'static Cpu>> = Cell::new(None);
    /// Reasons for which its interrupts are off.
    static OFF: Cell<usize> = Cell::new(0);
}

impl Cpu {
    pub(crate) fn new() -> Self {
        Self { requested: AtomicU64::new(0), vectors: VectorTable::new(0) }
    }

    /// Requests a vector, as a message to it does.
    pub(crate) fn request(&self, vector: u8) {
        self.requested.fetch_or(1 << (vector - FIRST), Ordering::AcqRel);
    }

    /// From here on this thread is the CPU's.
    pub(crate) fn run_here(&'static self) {
        RUNS.with(|runs| runs.set(Some(self)));
    }

    fn take(&self) {
        loop {
            let requested = self.requested.load(Ordering::Acquire);
            if requested == 0 {
                return;
            }
            let first = requested.trailing_zeros();
            self.requested.fetch_and(!(1 << first), Ordering::AcqRel);
            let vector = FIRST + u8::try_from(first).expect("64 at most");
            // SAFETY: this thread is the CPU's, and its interrupts are off.
            unsafe { self.vectors.dispatch(vector) };
        }
    }
}

/// Before an access: takes interrupts, if this thread is a CPU's and they are on.
pub(crate) fn boundary() {
    if OFF.with(Cell::get) == 0
        && let Some(cpu) = RUNS.with(Cell::get)
    {
        let _off = InterruptsOff::enter();
        cpu.take();
    }
}

/// Interrupts are off on this thread while it lives.
pub(crate) struct InterruptsOff;

impl InterruptsOff {
    pub(crate) fn enter() -> Self {
        OFF.with(|off| off.set(off.get() + 1));
        Self
    }
}

impl Drop for InterruptsOff {
    fn drop(&mut self) {
        // Loom ends the threads of a model that failed, which drops this without a place to count in.
        if !std::thread::panicking() {
            OFF.with(|off| off.set(off.get() - 1));
        }
    }
}
