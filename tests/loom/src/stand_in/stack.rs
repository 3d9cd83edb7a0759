//! Stacks, far from each other: those of loom's threads are small, and may be neighbours.

use core::sync::atomic::{AtomicUsize, Ordering};

static NEXT: AtomicUsize = AtomicUsize::new(1 << 20);

loom::thread_local! {
    static STACK: usize = NEXT.fetch_add(1 << 20, Ordering::Relaxed);
}

/// Where the stack of this thread is.
pub(crate) fn pointer() -> usize {
    STACK.with(|stack| *stack)
}
