//! From a vector number to the slot that serves it.

#![expect(unsafe_code, reason = "deliveries of a vector must not overlap, as its gate and this file see to")]

use core::sync::atomic::{AtomicU64, Ordering};

use spin::Once;
use switchboard::platform::Vector;
use switchboard::vector::VectorTable;

use super::apic::local;
use super::vectors::CALL;

/// The vectors of the boot CPU.
pub(super) static VECTORS: Once<VectorTable> = Once::new();

/// The vectors whose handlers [`call`] asked for, a bit each.
static CALLED: [AtomicU64; 4] = [const { AtomicU64::new(0) }; 4];

#[inline(always)]
pub(super) fn dispatch(vector: u64) {
    // SAFETY: interrupts are turned on after the table is there.
    let vectors = unsafe { VECTORS.get_unchecked() };
    // The stubs pass 0 to 255.
    let vector = (vector & 0xff) as u8;
    // SAFETY: this is the interrupt entry of the CPU whose table it is, behind an interrupt gate.
    unsafe { vectors.dispatch(vector) };
}

/// Serves what arrived with the vector of an exception and is none: a message that a device wrote with a vector below
/// 32. An exception is not in service at the local APIC; a message is, and there would block others. Says whether
/// it was one.
pub(super) fn serve_message(vector: u64) -> bool {
    let is_message = VECTORS.get().is_some() && local::is_in_service((vector & 0xff) as u8);
    if is_message {
        dispatch(vector);
        local::end_of_interrupt();
    }
    is_message
}

/// Has the handlers of a vector called soon, under a vector of the machine's own: the local APIC is to hear nothing of
/// theirs.
pub(super) fn call(vector: Vector) {
    CALLED[usize::from(vector.number() / 64)].fetch_or(1 << (vector.number() % 64), Ordering::SeqCst);
    local::send(vector.cpu(), CALL);
}

/// Serves the vectors that were asked for. Says whether there were any: a device can write a message with this number.
pub(super) fn serve_called() -> bool {
    let mut is_any = false;
    for (group, called) in (0..).zip(&CALLED) {
        let mut called = called.swap(0, Ordering::SeqCst);
        while called != 0 {
            dispatch(group * 64 + u64::from(called.trailing_zeros()));
            called &= called - 1;
            is_any = true;
        }
    }
    is_any
}
