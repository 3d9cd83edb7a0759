//! The order of this CPU's writes for a device before its next reads.

#![expect(unsafe_code, reason = "a function is kept as the address that it was given by")]

use core::sync::atomic::{AtomicPtr, Ordering, fence};

/// A `fn()` that the machine runs beside each fence, or null.
static MACHINE_FENCE: AtomicPtr<()> = AtomicPtr::new(core::ptr::null_mut());

/// Orders all earlier writes before all later reads, as a device sees them.
///
/// A driver needs it between enabling a notification and its last look at the ring, which is the one place where x86 reorders
/// (virtio 1.2, 2.7.13.4.1). Elsewhere the accesses of [`mmio`](crate::mmio) and [`dma`](crate::dma) order themselves.
///
/// A machine may need more than the CPU's fence: see [`MachineParts::fence`](crate::machine::MachineParts::fence).
///
/// ```
/// switchboard::sync::device_fence();
/// ```
#[inline]
pub fn device_fence() {
    fence(Ordering::SeqCst);
    let machine_fence = MACHINE_FENCE.load(Ordering::Relaxed);
    if !machine_fence.is_null() {
        // SAFETY: `set_machine_fence` is the only one that writes the static, and stores a `fn()`.
        let machine_fence = unsafe { core::mem::transmute::<*mut (), fn()>(machine_fence) };
        machine_fence();
    }
}

/// Makes [`device_fence`] run `machine_fence` too.
pub(crate) fn set_machine_fence(machine_fence: fn()) {
    MACHINE_FENCE.store(machine_fence as *mut (), Ordering::Relaxed);
}
