//! The debug console at port 0xe9: of Bochs (`port_e9_hack`), of QEMU (`-debugcon`), and of Xen.

use x86_64::instructions::port::Port;

use crate::cpu;

const PORT: u16 = 0xe9;
/// What the port reads as in Bochs and QEMU.
const SIGNATURE: u8 = 0xe9;

/// The debug console. It has no state and takes each byte at once.
pub(super) struct DebugConsole(());

impl DebugConsole {
    /// Finds the console. Xen's takes writes only, and is known by Xen.
    pub(super) fn find() -> Option<Self> {
        // SAFETY: reading the port has no side effect, with or without a console there.
        let found = unsafe { Port::<u8>::new(PORT).read() } == SIGNATURE;
        (found || cpu::is_xen()).then_some(Self(()))
    }

    /// Writes bytes.
    pub(super) fn send(&mut self, bytes: &[u8]) {
        for byte in bytes {
            // SAFETY: the console is there, and a byte sent to it has no other effect.
            unsafe { Port::<u8>::new(PORT).write(*byte) };
        }
    }
}
