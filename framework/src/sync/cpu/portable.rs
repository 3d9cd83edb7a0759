//! Any other target, as a host on which only tests run: no ISR interrupts, and the stack is known by the address of a local variable.

use core::hint::black_box;
use core::sync::atomic::{AtomicU32, Ordering};

/// Returns an address in the frame of the caller or just below.
#[inline(always)]
pub(crate) fn stack_pointer() -> usize {
    let local = 0_u8;
    black_box(&raw const local).addr()
}

/// Returns a number that grows with each call.
pub(crate) fn ticks() -> u32 {
    static TICKS: AtomicU32 = AtomicU32::new(0);
    TICKS.fetch_add(1, Ordering::Relaxed)
}

/// Does nothing. Returns `false`: there is nothing to enable again.
pub(crate) fn disable_interrupts() -> bool {
    false
}

/// Does nothing.
pub(crate) fn enable_interrupts() {}

/// Does nothing: there are no I/O ports.
pub(crate) fn io_fence() {}
