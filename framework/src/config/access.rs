//! Access to configuration space: the trait that a machine implements, and a handle for one function.

use core::fmt;

use super::Address;

/// The width of one configuration access.
///
/// ```
/// use switchboard::config::Width;
///
/// assert_eq!((Width::Word.bytes(), Width::Word.ones()), (2, 0xffff));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Width {
    /// One byte.
    Byte,
    /// Two bytes, at an even offset.
    Word,
    /// Four bytes, at an offset divisible by four.
    Dword,
}

impl Width {
    /// Returns the number of bytes.
    #[must_use]
    pub const fn bytes(self) -> u16 {
        match self {
            Self::Byte => 1,
            Self::Word => 2,
            Self::Dword => 4,
        }
    }

    /// Returns the value of a read of this width that no function answers: all ones.
    #[must_use]
    pub const fn ones(self) -> u32 {
        match self {
            Self::Byte => 0xff,
            Self::Word => 0xffff,
            Self::Dword => u32::MAX,
        }
    }
}

/// A way to reach the configuration space of a machine's functions.
///
/// Writes keep their width all the way to the bus: Command and Status share a dword, and Status bits are
/// cleared by writing ones, so a Command write must be 16 bits wide (PCI 3.0, 6.2.3).
///
/// ```
/// use switchboard::config::{Address, ConfigAccess, Facts, Width};
///
/// /// A machine with one function, whose header has a Vendor ID and a Device ID and reads zero elsewhere.
/// struct OneFunction;
///
/// impl ConfigAccess for OneFunction {
///     fn read(&self, address: Address, offset: u16, width: Width) -> u32 {
///         match (address == Address::new(0, 0, 3, 0), offset, width) {
///             (false, ..) => width.ones(),
///             (_, 0, Width::Dword) => 0x11e8_1234,
///             (_, 0, Width::Word) => 0x1234,
///             (_, 2, Width::Word) => 0x11e8,
///             _ => 0,
///         }
///     }
///     fn write(&self, _address: Address, _offset: u16, _width: Width, _value: u32) {}
///     fn size(&self, _address: Address) -> u16 {
///         256
///     }
/// }
///
/// let header = Facts::decode(&OneFunction, Address::new(0, 0, 3, 0)).header;
/// assert_eq!((header.vendor, header.device), (0x1234, 0x11e8));
/// let header = Facts::decode(&OneFunction, Address::new(0, 0, 4, 0)).header;
/// assert_eq!(header.vendor, 0xffff, "no function");
/// ```
pub trait ConfigAccess: Send + Sync {
    /// Reads a register. Returns all ones when no function answers or the offset is out of reach.
    fn read(&self, address: Address, offset: u16, width: Width) -> u32;

    /// Writes a register. The write is dropped when no function answers.
    fn write(&self, address: Address, offset: u16, width: Width, value: u32);

    /// Reads a register as [`read`](Self::read) does, without taking a lock.
    ///
    /// Only for [`Machine::quiesce`](crate::machine::Machine::quiesce) after a panic, when the holder of a lock may never release it.
    fn read_unlocked(&self, address: Address, offset: u16, width: Width) -> u32 {
        self.read(address, offset, width)
    }

    /// Writes a register as [`write`](Self::write) does, without taking a lock; see [`read_unlocked`](Self::read_unlocked).
    fn write_unlocked(&self, address: Address, offset: u16, width: Width, value: u32) {
        self.write(address, offset, width, value);
    }

    /// Returns the bytes of configuration space that can be reached: 256 by ports, 4,096 by ECAM, 0 for a function that is out
    /// of reach.
    fn size(&self, address: Address) -> u16;

    /// Returns the highest PCI segment group that can be reached. Ports reach 0 only.
    fn last_segment(&self) -> u16 {
        0
    }

    /// Returns whether the bus can be reached.
    fn has_bus(&self, segment: u16, _bus: u8) -> bool {
        segment == 0
    }
}

/// A handle for the configuration space of one function.
#[derive(Clone, Copy)]
pub(crate) struct Space {
    access: &'static dyn ConfigAccess,
    address: Address,
}

impl Space {
    pub(crate) fn new(access: &'static dyn ConfigAccess, address: Address) -> Self {
        Self { access, address }
    }

    pub(crate) fn address(self) -> Address {
        self.address
    }

    /// Returns the bytes that can be reached.
    pub(crate) fn size(self) -> u16 {
        self.access.size(self.address)
    }

    /// Returns whether all of `length` bytes at `offset` can be reached.
    pub(crate) fn reaches(self, offset: u16, length: u16) -> bool {
        offset.checked_add(length).is_some_and(|end| end <= self.size())
    }

    pub(crate) fn read_u8(self, offset: u16) -> u8 {
        (self.access.read(self.address, offset, Width::Byte) & 0xff) as u8
    }

    pub(crate) fn read_u16(self, offset: u16) -> u16 {
        (self.access.read(self.address, offset, Width::Word) & 0xffff) as u16
    }

    pub(crate) fn read_u32(self, offset: u16) -> u32 {
        self.access.read(self.address, offset, Width::Dword)
    }

    pub(crate) fn write_u16(self, offset: u16, value: u16) {
        self.access.write(self.address, offset, Width::Word, value.into());
    }

    /// Reads, changes and writes back a 16-bit register. Nothing is written when it reads all ones: the function is gone then,
    /// and none of the registers that are changed this way can hold that value.
    pub(crate) fn update_u16(self, offset: u16, change: impl FnOnce(u16) -> u16) {
        let value = self.read_u16(offset);
        if value != u16::MAX {
            self.write_u16(offset, change(value));
        }
    }

    pub(crate) fn write_u32(self, offset: u16, value: u32) {
        self.access.write(self.address, offset, Width::Dword, value);
    }
}

impl fmt::Debug for Space {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Space({})", self.address)
    }
}

/// Lets `pci_types` read headers through any access. Its writes are dwords, which would clear Status bits, so this crate writes nothing
/// through it.
#[expect(unsafe_code, reason = "the trait declares its methods unsafe; these bodies are not")]
impl pci_types::ConfigRegionAccess for Space {
    unsafe fn read(&self, address: Address, offset: u16) -> u32 {
        self.access.read(address, offset, Width::Dword)
    }

    unsafe fn write(&self, address: Address, offset: u16, value: u32) {
        self.access.write(address, offset, Width::Dword, value);
    }
}
