//! The dispatch of a vector to its handlers.

#![expect(unsafe_code, reason = "deliveries of a vector must not overlap, which its gate and this file guarantee")]

use core::sync::atomic::Ordering;

use switchboard::platform::Vector;

use super::apic::local;
use super::vectors::CALL;
use super::{cpus, drain};

/// Calls the handlers of a vector.
#[inline(always)]
pub(super) fn dispatch(vector: u64) {
    // SAFETY: interrupts are enabled after the tables have been made.
    let vectors = unsafe { cpus::vectors() };
    // The stubs pass 0 to 255.
    let vector = (vector & 0xff) as u8;
    // SAFETY: this is the interrupt entry of the CPU whose table it is, behind an interrupt gate.
    unsafe { vectors.dispatch(vector) };
}

/// Serves a message that a device wrote with the vector of an exception (below 32), and returns whether there was one.
/// Unlike an exception, such a message is in service at the local APIC, where it would block further interrupts.
pub(super) fn serve_message(vector: u64) -> bool {
    let is_message = cpus::current().vectors().is_some() && local::is_in_service((vector & 0xff) as u8);
    if is_message {
        dispatch(vector);
        local::end_of_interrupt();
    }
    is_message
}

/// Requests a call of the handlers of a vector. It runs under a vector of the machine's own, so the vector of the
/// handlers is not in service at the local APIC.
pub(super) fn call(vector: Vector) {
    let Some(cpu) = cpus::by_id(vector.cpu()) else { return };
    cpu.called[usize::from(vector.number() / 64)].fetch_or(1 << (vector.number() % 64), Ordering::SeqCst);
    local::send(vector.cpu(), CALL);
}

/// Serves the requests of [`call`] and of [`drain`](super::drain). Returns whether there were any: a device can write a message with
/// this vector too.
pub(super) fn serve_called() -> bool {
    let cpu = cpus::current();
    let mut is_any = drain::answer(cpu);
    for (group, called) in (0..).zip(&cpu.called) {
        let mut called = called.swap(0, Ordering::SeqCst);
        while called != 0 {
            dispatch(group * 64 + u64::from(called.trailing_zeros()));
            called &= called - 1;
            is_any = true;
        }
    }
    is_any
}
