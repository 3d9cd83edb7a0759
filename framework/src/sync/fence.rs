//! The fence between this CPU's writes for a device and its later reads.

#![expect(unsafe_code, reason = "a function pointer is kept in an atomic and converted back")]

use core::sync::atomic::{AtomicPtr, Ordering, fence};

/// The `fn()` that the machine runs after each fence, or null.
static MACHINE_FENCE: AtomicPtr<()> = AtomicPtr::new(core::ptr::null_mut());

/// Orders all earlier writes before all later reads, as a device sees them.
///
/// A driver needs it between enabling a notification and its last check of the ring, the one place where x86 reorders
/// (virtio 1.2, 2.7.13.4.1). Elsewhere the accesses of [`mmio`](crate::mmio) and [`dma`](crate::dma) are ordered.
///
/// A machine may need more than the CPU's fence: see [`MachineParts::fence`](crate::machine::MachineParts::fence).
///
/// ```
/// use switchboard_testing::{FakeFunction, FakeMachine};
///
/// let fake = FakeMachine::new([FakeFunction::new(0x1af4, 0x1041)]);
/// let resources = fake.machine().take_all().remove(0).claim().expect("an endpoint");
/// let mut ring = resources.dma.region(64).expect("memory");
/// let mut flags = ring.carve::<u16>(1, 2).expect("room");
/// let used = ring.carve::<u16>(1, 2).expect("room");
/// // Enables the device's notification, then checks for what it finished before.
/// flags.write(0, 0);
/// switchboard::sync::device_fence();
/// assert_eq!(used.read(0), 0, "nothing was missed");
/// ```
#[inline]
pub fn device_fence() {
    fence(Ordering::SeqCst);
    let machine_fence = MACHINE_FENCE.load(Ordering::Relaxed);
    if !machine_fence.is_null() {
        // SAFETY: only `set_machine_fence` writes the static, and it stores a `fn()`.
        let machine_fence = unsafe { core::mem::transmute::<*mut (), fn()>(machine_fence) };
        machine_fence();
    }
}

/// Sets the function that [`device_fence`] runs after the CPU's fence.
pub(crate) fn set_machine_fence(machine_fence: fn()) {
    MACHINE_FENCE.store(machine_fence as *mut (), Ordering::Relaxed);
}
