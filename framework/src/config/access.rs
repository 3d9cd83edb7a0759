//! How configuration space is reached.

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

/// One way to reach configuration space.
///
/// Writes keep their width all the way to the bus: Command and Status share a dword, and Status bits are
/// cleared by writing ones, so a Command write must be 16 bits wide (PCI 3.0, 6.2.3).
pub trait ConfigAccess: Send + Sync {
    /// Reads; all ones when nothing answers or the offset is beyond what this access reaches.
    fn read(&self, address: Address, offset: u16, width: Width) -> u32;

    /// Writes; dropped when nothing answers.
    fn write(&self, address: Address, offset: u16, width: Width, value: u32);

    /// Bytes of configuration space that can be reached: 256 by ports, 4,096 by ECAM.
    fn size(&self, address: Address) -> u16;
}
