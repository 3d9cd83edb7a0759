//! Bus addresses: addresses of memory as devices use them.

use core::fmt;

use zerocopy::{Immutable, IntoBytes, KnownLayout};

/// The address of DMA memory, as a device uses it. It need not be the physical address, so that an IOMMU can translate it.
///
/// Only the framework makes one, from memory that it allocated for a function: [`DmaBuffer::bus`], [`DmaBuffer::bus_at`],
/// [`DmaShared::bus`] and [`DmaShared::bus_of`]. It can be stored (it is 8 bytes, and part of a descriptor of
/// [`IntoBytes`]), and written to an [address register](crate::mmio::AddressReg), but neither computed nor read back:
/// it has no arithmetic and is not `FromBytes`.
///
/// ```
/// use switchboard::dma::{BusAddress, DmaBuffer};
/// use zerocopy::{Immutable, IntoBytes, KnownLayout};
/// # use switchboard_testing::{FakeFunction, FakeMachine};
///
/// /// A descriptor that the device reads.
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
/// # let fake = FakeMachine::new([FakeFunction::new(0x1234, 0x11e8)]);
/// # let buffer = fake.machine().take_all().remove(0).claim()?.dma.buffer(1024)?;
/// # let descriptor = second_half(&buffer).expect("512 bytes");
/// # assert_eq!((descriptor.address.get(), descriptor.length), (buffer.bus().get() + 512, 512));
/// # assert_eq!(buffer.bus_at(1024), None);
/// # Ok::<(), switchboard::driver::ProbeError>(())
/// ```
///
/// [`DmaBuffer::bus`]: super::DmaBuffer::bus
/// [`DmaBuffer::bus_at`]: super::DmaBuffer::bus_at
/// [`DmaShared::bus`]: super::DmaShared::bus
/// [`DmaShared::bus_of`]: super::DmaShared::bus_of
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, IntoBytes, Immutable, KnownLayout)]
#[repr(transparent)]
pub struct BusAddress(u64);

// Devices read addresses as little-endian, and descriptors hold them in the CPU's byte order.
const _: () = assert!(cfg!(target_endian = "little"), "bus addresses are stored as the CPU stores integers");

impl BusAddress {
    pub(crate) const fn new(address: u64) -> Self {
        Self(address)
    }

    /// Returns the address as an integer, to compare it with one that a device reports or to print it.
    #[inline]
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// Returns the address `bytes` further on. The caller owns the memory and has checked the bounds.
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
