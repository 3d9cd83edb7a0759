//! Ordering what this CPU wrote for a device before what it reads next.

#![expect(unsafe_code, reason = "a port read that orders memory")]

use core::sync::atomic::{AtomicBool, Ordering, fence};

use x86_64::instructions::port::PortReadOnly;

/// The POST code port: reading it changes nothing, and every PC has it.
const HARMLESS_PORT: u16 = 0x80;

static NEEDS_PORT_READ: AtomicBool = AtomicBool::new(false);

/// Orders all earlier writes before all later reads, as a device sees them: between "wake me for the next one"
/// and the last look at the ring, which is the one place where x86 reorders.
///
/// On hardware this is `mfence`. QEMU's code generator before 8.1 leaves barriers out while the machine has one
/// CPU, though its devices run on threads of their own; there a port read, which takes QEMU's global lock,
/// orders as well.
#[inline]
pub fn device_fence() {
    fence(Ordering::SeqCst);
    if NEEDS_PORT_READ.load(Ordering::Relaxed) {
        // SAFETY: `enable_port_read` is for ring 0 only, and this port has no side effect.
        unsafe { PortReadOnly::<u8>::new(HARMLESS_PORT).read() };
    }
}

/// Makes [`device_fence`] read a port too. For the bare machine: on a host, ports are out of reach.
pub(crate) fn enable_port_read() {
    NEEDS_PORT_READ.store(true, Ordering::Relaxed);
}
