//! Configuration space through ports 0xCF8 and 0xCFC (PCI 3.0, 3.2.2.3.2).

#![expect(unsafe_code, reason = "port I/O")]

use core::fmt;

use x86_64::instructions::port::Port;

use super::{Address, ConfigAccess, Width};
use crate::sync::IrqLock;

/// Reaches segment 0, the first 256 bytes of each function.
///
/// # Invariants
/// The address port and the data port are one critical section, ISRs included: one lock guards both.
pub struct Ports {
    address: IrqLock<Port<u32>>,
}

impl Ports {
    /// The standard pair of ports.
    #[must_use]
    pub const fn new() -> Self {
        Self { address: IrqLock::new(Port::new(0xcf8)) }
    }

    /// Runs `access` with the address port pointing at the dword that holds `offset`.
    fn select<R>(&self, address: Address, offset: u16, access: impl FnOnce(u16) -> R) -> Option<R> {
        if address.segment() != 0 || offset >= 256 {
            return None;
        }
        let select = 1 << 31
            | u32::from(address.bus()) << 16
            | u32::from(address.device()) << 11
            | u32::from(address.function()) << 8
            | u32::from(offset & 0xfc);
        let mut port = self.address.lock();
        // SAFETY: 0xCF8 only latches which function the data port talks to, and the lock keeps others off it.
        unsafe { port.write(select) };
        Some(access(0xcfc + (offset & 3)))
    }
}

impl Default for Ports {
    fn default() -> Self {
        Self::new()
    }
}

impl ConfigAccess for Ports {
    fn read(&self, address: Address, offset: u16, width: Width) -> u32 {
        self.select(address, offset, |port| match width {
            // SAFETY: reading configuration space has no side effect that memory safety depends on.
            Width::Byte => u32::from(unsafe { Port::<u8>::new(port).read() }),
            // SAFETY: as above.
            Width::Word => u32::from(unsafe { Port::<u16>::new(port).read() }),
            // SAFETY: as above.
            Width::Dword => unsafe { Port::<u32>::new(port).read() },
        })
        .unwrap_or(width.ones())
    }

    fn write(&self, address: Address, offset: u16, width: Width, value: u32) {
        self.select(address, offset, |port| match width {
            // SAFETY: only this crate writes configuration space; each writer (command, BAR sizing, MSI, MSI-X)
            // keeps the device from memory that is not its own.
            Width::Byte => unsafe { Port::<u8>::new(port).write((value & 0xff) as u8) },
            // SAFETY: as above.
            Width::Word => unsafe { Port::<u16>::new(port).write((value & 0xffff) as u16) },
            // SAFETY: as above.
            Width::Dword => unsafe { Port::<u32>::new(port).write(value) },
        });
    }

    fn size(&self, _address: Address) -> u16 {
        256
    }
}

impl fmt::Debug for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ports")
    }
}
