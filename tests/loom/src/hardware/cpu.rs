//! A CPU with a local APIC: between two accesses to shared memory or to a device, it takes what is pending.

#![expect(unsafe_code, reason = "the CPU delivers interrupts")]

use core::cell::Cell;

use loom::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use loom::thread;

use crate::vector::VectorTable;

/// The vectors below are exceptions.
const FIRST: u8 = 32;

pub(crate) struct Cpu {
    /// The interrupt request register, from [`FIRST`] on: a message to a vector that is pending already is one with it.
    requested: AtomicU64,
    /// A vector has left the register, and is not served to its end.
    is_serving: AtomicBool,
    pub(crate) vectors: VectorTable,
}

loom::thread_local! {
    /// The CPU that this thread runs on, in models that have one.
    static RUNS: Cell<Option<&'static Cpu>> = Cell::new(None);
    static IS_MASKED: Cell<bool> = Cell::new(false);
}

impl Cpu {
    pub(crate) fn new(id: u32) -> Self {
        let (requested, is_serving) = (AtomicU64::new(0), AtomicBool::new(false));
        Self { requested, is_serving, vectors: VectorTable::new(id) }
    }

    /// Requests a vector, as a message to it does.
    pub(crate) fn request(&self, vector: u8) {
        self.requested.fetch_or(1 << (vector - FIRST), Ordering::AcqRel);
    }

    /// From here on this thread is the CPU's.
    pub(crate) fn run_here(&'static self) {
        RUNS.with(|runs| runs.set(Some(self)));
    }

    /// From here on this thread is the CPU's, which does nothing but take interrupts until `is_ended`.
    pub(crate) fn run_until(&'static self, is_ended: &AtomicBool) {
        self.run_here();
        while !is_ended.load(Ordering::Acquire) {
            boundary();
            thread::yield_now();
        }
        boundary();
    }

    /// Waits until nothing with that vector is left to be served.
    pub(crate) fn drain(&self, vector: u8) -> bool {
        let is_pending = || self.requested.load(Ordering::Acquire) & 1 << (vector - FIRST) != 0;
        while is_pending() || self.is_serving.load(Ordering::Acquire) {
            boundary();
            thread::yield_now();
        }
        true
    }

    fn take(&self) {
        loop {
            let requested = self.requested.load(Ordering::Acquire);
            if requested == 0 {
                return;
            }
            let first = requested.trailing_zeros();
            self.is_serving.store(true, Ordering::Release);
            self.requested.fetch_and(!(1 << first), Ordering::AcqRel);
            let vector = FIRST + u8::try_from(first).expect("64 at most");
            // SAFETY: this thread is the CPU's, and its interrupts are disabled.
            unsafe { self.vectors.dispatch(vector) };
            self.is_serving.store(false, Ordering::Release);
        }
    }
}

/// Before an access: takes interrupts, if this thread is a CPU's and they are enabled.
pub(crate) fn boundary() {
    if let Some(cpu) = RUNS.with(Cell::get)
        && disable_interrupts()
    {
        cpu.take();
        enable_interrupts();
    }
}

/// Disables interrupts on this CPU. Returns whether they were enabled.
pub(crate) fn disable_interrupts() -> bool {
    !IS_MASKED.with(|is_masked| is_masked.replace(true))
}

/// Enables interrupts on this CPU, after [`disable_interrupts`] has returned that they were.
pub(crate) fn enable_interrupts() {
    // Loom ends the threads of a model that failed, and has no thread locals for what that drops.
    if !std::thread::panicking() {
        IS_MASKED.with(|is_masked| is_masked.set(false));
    }
}
