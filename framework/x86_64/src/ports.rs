//! Configuration space through ports 0xCF8 and 0xCFC (PCI 3.0, 3.2.2.3.2).

#![expect(unsafe_code, reason = "port I/O")]

use core::fmt;

use x86_64::instructions::port::Port;

use switchboard::config::{Address, ConfigAccess, Width};
use switchboard::sync::IrqLock;

const ADDRESS: u16 = 0xcf8;
const DATA: u16 = 0xcfc;

/// The access by ports, to segment 0 and the first 256 bytes of each function.
///
/// # Invariants
/// A write to the address port and an access to the data port are one critical section, ISRs included: one lock guards
/// both. Only a panic bypasses it.
pub(super) struct Ports {
    bare: IrqLock<Bare>,
}

impl Ports {
    /// Returns the access by the standard ports.
    pub(super) const fn new() -> Self {
        Self { bare: IrqLock::new(Bare) }
    }
}

impl ConfigAccess for Ports {
    fn read(&self, address: Address, offset: u16, width: Width) -> u32 {
        self.bare.lock().read(address, offset, width)
    }

    fn write(&self, address: Address, offset: u16, width: Width, value: u32) {
        self.bare.lock().write(address, offset, width, value);
    }

    fn read_unlocked(&self, address: Address, offset: u16, width: Width) -> u32 {
        Bare.read(address, offset, width)
    }

    fn write_unlocked(&self, address: Address, offset: u16, width: Width, value: u32) {
        Bare.write(address, offset, width, value);
    }

    fn size(&self, _address: Address) -> u16 {
        256
    }
}

/// The ports, without the lock.
struct Bare;

impl Bare {
    fn read(&self, address: Address, offset: u16, width: Width) -> u32 {
        let Some(port) = select(address, offset) else { return width.ones() };
        match width {
            // SAFETY: reading configuration space has no side effect that memory safety depends on.
            Width::Byte => u32::from(unsafe { Port::<u8>::new(port).read() }),
            // SAFETY: as above.
            Width::Word => u32::from(unsafe { Port::<u16>::new(port).read() }),
            // SAFETY: as above.
            Width::Dword => unsafe { Port::<u32>::new(port).read() },
        }
    }

    fn write(&self, address: Address, offset: u16, width: Width, value: u32) {
        let Some(port) = select(address, offset) else { return };
        match width {
            // SAFETY: only the framework writes configuration space; each writer (Command, BAR sizing, MSI, MSI-X)
            // keeps the device from memory that it must not access.
            Width::Byte => unsafe { Port::<u8>::new(port).write((value & 0xff) as u8) },
            // SAFETY: as above.
            Width::Word => unsafe { Port::<u16>::new(port).write((value & 0xffff) as u16) },
            // SAFETY: as above.
            Width::Dword => unsafe { Port::<u32>::new(port).write(value) },
        }
    }
}

/// Writes the address of the dword with `offset` to the address port, and returns the data port of `offset`. Returns
/// `None` when ports do not reach it.
fn select(address: Address, offset: u16) -> Option<u16> {
    if address.segment() != 0 || offset >= 256 {
        return None;
    }
    let select = 1 << 31
        | u32::from(address.bus()) << 16
        | u32::from(address.device()) << 11
        | u32::from(address.function()) << 8
        | u32::from(offset & 0xfc);
    // SAFETY: 0xCF8 only selects the register behind the data port, and `Ports` holds the lock.
    unsafe { Port::<u32>::new(ADDRESS).write(select) };
    Some(DATA + (offset & 3))
}

impl fmt::Debug for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ports")
    }
}
