//! Bus addresses: where devices find memory.

use core::fmt;

use zerocopy::{Immutable, IntoBytes, KnownLayout};

/// The address of DMA memory, as a device uses it. Not assumed to be the physical address, so that an IOMMU may come
/// between.
///
/// Only the framework makes one, from memory that it allocated for a function: [`DmaBuffer::bus`], [`DmaBuffer::bus_at`],
/// [`DmaShared::bus`] and [`DmaShared::bus_of`]. It can be stored (it is 8 bytes, and part of a descriptor of
/// [`IntoBytes`]), and written to an [address register](crate::mmio::AddressReg), but neither computed nor read back:
/// it has no arithmetic and is not `FromBytes`.
///
/// ```
/// use switchboard::dma::{BusAddress, DmaBuffer};
/// use zerocopy::{Immutable, IntoBytes, KnownLayout};
///
/// /// What a device reads.
/// #[derive(Clone, Copy, IntoBytes, Immutable, KnownLayout)]
/// #[repr(C)]
/// struct Descriptor {
///     address: BusAddress,
///     length: u32,
///     flags: u32,
/// }
///
/// fn second_half(buffer: &DmaBuffer) -> Option<Descriptor> {
///     let middle = buffer.len() / 2;
///     let length = u32::try_from(buffer.len() - middle).ok()?;
///     Some(Descriptor { address: buffer.bus_at(middle)?, length, flags: 0 })
/// }
/// ```
///
/// [`DmaBuffer::bus`]: super::DmaBuffer::bus
/// [`DmaBuffer::bus_at`]: super::DmaBuffer::bus_at
/// [`DmaShared::bus`]: super::DmaShared::bus
/// [`DmaShared::bus_of`]: super::DmaShared::bus_of
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, IntoBytes, Immutable, KnownLayout)]
#[repr(transparent)]
pub struct BusAddress(u64);

// Devices read addresses little-endian, and descriptors hold them as they are in memory.
const _: () = assert!(cfg!(target_endian = "little"), "bus addresses are stored as the CPU stores integers");

impl BusAddress {
    pub(crate) const fn new(address: u64) -> Self {
        Self(address)
    }

    /// Returns the address as an integer: to compare it with what a device reports, or to print it.
    #[inline]
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The address `bytes` further on: for owners of memory, which have checked that it is still theirs.
    #[inline]
    pub(super) const fn plus(self, bytes: usize) -> Self {
        Self(self.0.wrapping_add(bytes as u64))
    }
}

impl fmt::Display for BusAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}
