//! In place of the framework's `sync::cpu`: the CPU that loom's thread stands for.

use core::sync::atomic::{AtomicUsize, Ordering};

pub(super) use crate::hardware::cpu::{disable_interrupts, enable_interrupts};

/// Stacks are far from each other: those of loom's threads are small, and may be neighbours.
const STRIDE: usize = 1 << 20;

static NEXT: AtomicUsize = AtomicUsize::new(STRIDE);

loom::thread_local! {
    static STACK: usize = NEXT.fetch_add(STRIDE, Ordering::Relaxed);
}

/// Returns the place of this thread's stack.
pub(crate) fn stack_pointer() -> usize {
    STACK.with(|stack| *stack)
}

/// Does nothing: no device is modelled that orders its accesses by it.
pub(super) fn io_fence() {}

/// Returns 0: a run must be repeatable, and so may not depend on time.
pub(crate) fn ticks() -> u32 {
    0
}
