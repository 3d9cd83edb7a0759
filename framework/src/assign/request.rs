//! Requests of BARs, and their results.

use core::ops::Range;

use super::WindowRequest;

/// The kind of addresses that a BAR or window decodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum AddressSpace {
    /// I/O ports.
    Io,
    /// Memory whose reads may have side effects.
    Memory,
    /// Memory that may be prefetched.
    Prefetchable,
}

impl AddressSpace {
    /// All kinds.
    pub const ALL: [Self; 3] = [Self::Io, Self::Memory, Self::Prefetchable];

    /// Returns the name for messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Io => "I/O ports",
            Self::Memory => "memory",
            Self::Prefetchable => "prefetchable memory",
        }
    }
}

/// A BAR's request for an address, and its result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BarRequest {
    /// The kind of addresses.
    pub kind: AddressSpace,
    /// Whether the BAR has 64 address bits.
    pub is_64bit: bool,
    /// The size in bytes, a power of two, which is also the alignment.
    pub size: u64,
    /// The start address, or why it has none.
    pub address: Result<u64, Unassigned>,
}

impl BarRequest {
    /// Returns the first address above what the BAR can decode.
    pub(super) fn ceiling(&self) -> u64 {
        match self.kind {
            AddressSpace::Io => WindowRequest::IO_CEILING,
            _ if self.is_64bit => u64::MAX,
            _ => WindowRequest::LOW_CEILING,
        }
    }

    /// Returns whether the BAR is to be given an address. One with an invalid size is not.
    pub(super) fn needs_address(&self) -> bool {
        self.address == Err(Unassigned::Unset) && self.size.is_power_of_two()
    }

    /// Returns the range that the BAR decodes, if it has an address.
    #[must_use]
    pub fn range(&self) -> Option<Range<u64>> {
        let start = self.address.ok()?;
        Some(start..start.checked_add(self.size)?)
    }
}

/// Why a BAR has no address.
///
/// ```
/// use switchboard::assign::{AddressSpace, Unassigned};
///
/// let reason = Unassigned::NoRoom { kind: AddressSpace::Memory, size: 0x1000_0000, largest: 0x80_0000 };
/// assert_eq!(reason.to_string(), "no room: 0x10000000 bytes of memory wanted, the largest hole has 0x800000");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unassigned {
    /// Firmware assigned no address, or an invalid one, and the assignment has not run yet.
    #[error("it was given no address")]
    Unset,
    /// No free range is large enough.
    #[error("no room: {size:#x} bytes of {} wanted, the largest hole has {largest:#x}", .kind.name())]
    NoRoom {
        /// The kind of addresses.
        kind: AddressSpace,
        /// The size of the BAR in bytes.
        size: u64,
        /// The size of the largest free range in bytes that the bridges above forward or can forward.
        largest: u64,
    },
    /// The BAR does not hold the address that was written to it.
    #[error("it does not take {address:#x}")]
    Refused {
        /// The address that was written.
        address: u64,
    },
    /// It shares its enable bit with a BAR that has no address.
    #[error("it cannot be decoded without BAR {with}, which has no address")]
    SwitchedOff {
        /// The index of that BAR.
        with: u8,
    },
    /// A bridge above does not forward this kind of addresses.
    #[error("the bridge above forwards no {}", .kind.name())]
    NotForwarded {
        /// The kind of addresses.
        kind: AddressSpace,
    },
}
