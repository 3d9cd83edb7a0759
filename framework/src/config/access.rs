//! How configuration space is reached, and one function's own view of it.

use core::fmt;

use super::Address;

/// The width of one configuration access.
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
    /// Its bytes.
    #[must_use]
    pub const fn bytes(self) -> u16 {
        match self {
            Self::Byte => 1,
            Self::Word => 2,
            Self::Dword => 4,
        }
    }

    /// What a read of this width gives when nothing answers.
    #[must_use]
    pub const fn ones(self) -> u32 {
        match self {
            Self::Byte => 0xff,
            Self::Word => 0xffff,
            Self::Dword => u32::MAX,
        }
    }
}

/// One way to reach configuration space.
///
/// Writes keep their width all the way to the bus: Command and Status share a dword, and Status bits are
/// cleared by writing ones, so a Command write must be 16 bits wide (PCI 3.0, 6.2.3).
pub trait ConfigAccess: Send + Sync {
    /// Reads; all ones when nothing answers or the offset is beyond what this access reaches.
    fn read(&self, address: Address, offset: u16, width: Width) -> u32;

    /// Writes; dropped when nothing answers.
    fn write(&self, address: Address, offset: u16, width: Width, value: u32);

    /// As [`read`](Self::read), and waits for no lock. Only for a machine that is coming to its end: whoever holds a
    /// lock then never lets go of it.
    fn read_unlocked(&self, address: Address, offset: u16, width: Width) -> u32 {
        self.read(address, offset, width)
    }

    /// As [`write`](Self::write), and waits for no lock; see [`read_unlocked`](Self::read_unlocked).
    fn write_unlocked(&self, address: Address, offset: u16, width: Width, value: u32) {
        self.write(address, offset, width, value);
    }

    /// Bytes of configuration space that can be reached: 256 by ports, 4,096 by ECAM, 0 for a function that
    /// is out of reach.
    fn size(&self, address: Address) -> u16;

    /// The highest PCI segment group that it reaches; 0 is the only one that ports reach.
    fn last_segment(&self) -> u16 {
        0
    }

    /// Whether it reaches that bus.
    fn has_bus(&self, segment: u16, _bus: u8) -> bool {
        segment == 0
    }
}

/// The configuration space of one function.
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

    /// Bytes that can be reached.
    pub(crate) fn size(self) -> u16 {
        self.access.size(self.address)
    }

    /// Whether all of `length` bytes at `offset` can be reached.
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

    /// Reads, changes and writes back two bytes. What reads all ones is not written back: nothing answers there, and
    /// no register that is changed this way can hold them.
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

/// Lets `pci_types` read headers through any access. It writes dwords only, so nothing here writes through it.
#[expect(unsafe_code, reason = "the trait declares its methods unsafe; these bodies are not")]
impl pci_types::ConfigRegionAccess for Space {
    unsafe fn read(&self, address: Address, offset: u16) -> u32 {
        self.access.read(address, offset, Width::Dword)
    }

    unsafe fn write(&self, address: Address, offset: u16, value: u32) {
        self.access.write(address, offset, Width::Dword, value);
    }
}
