//! The fence between this CPU's writes for a device and its later reads.

use core::sync::atomic::{AtomicU8, Ordering, fence};

use super::cpu;
use super::lock::IrqLock;

/// What [`device_fence`] does besides: one of the next three.
static EXTRA: AtomicU8 = AtomicU8::new(NOTHING);
const NOTHING: u8 = 0;
/// Accesses an I/O port.
const PORT: u8 = 1;
/// Calls `CALL`.
const FUNCTION: u8 = 2;

static CALL: IrqLock<Option<fn()>> = IrqLock::new(None);

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
    match EXTRA.load(Ordering::Relaxed) {
        NOTHING => {}
        PORT => cpu::io_fence(),
        _ => call(),
    }
}

#[cold]
fn call() {
    let function = *CALL.lock();
    if let Some(function) = function {
        function();
    }
}

/// Makes [`device_fence`] access an I/O port as well. For a machine where this code may do that.
pub(crate) fn enable_io_fence() {
    EXTRA.store(PORT, Ordering::Relaxed);
}

/// Makes [`device_fence`] call a function as well.
pub(crate) fn set_fence_call(function: fn()) {
    *CALL.lock() = Some(function);
    EXTRA.store(FUNCTION, Ordering::Relaxed);
}
