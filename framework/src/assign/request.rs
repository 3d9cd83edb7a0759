//! What a BAR wants, and what came of it.

use core::ops::Range;

use super::WindowRequest;

/// Which addresses something decodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum AddressSpace {
    /// I/O ports.
    Io,
    /// Memory where reads may have side effects.
    Memory,
    /// Memory that may be read ahead.
    Prefetchable,
}

impl AddressSpace {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Io, Self::Memory, Self::Prefetchable];

    /// What it is called in messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Io => "I/O ports",
            Self::Memory => "memory",
            Self::Prefetchable => "prefetchable memory",
        }
    }
}

/// A BAR's wish, and what came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BarRequest {
    /// What it decodes.
    pub kind: AddressSpace,
    /// Whether it takes addresses from 4 GiB on.
    pub is_64bit: bool,
    /// Its bytes, a power of two; its address is a multiple of them.
    pub size: u64,
    /// Where it begins, or why it is nowhere.
    pub address: Result<u64, Unassigned>,
}

impl BarRequest {
    /// The first address that it cannot decode.
    pub(super) fn ceiling(&self) -> u64 {
        match self.kind {
            AddressSpace::Io => WindowRequest::IO_CEILING,
            _ if self.is_64bit => u64::MAX,
            _ => WindowRequest::LOW_CEILING,
        }
    }

    /// Whether it is to be given an address. A size that is none gets nowhere.
    pub(super) fn wants_address(&self) -> bool {
        self.address == Err(Unassigned::Unset) && self.size.is_power_of_two()
    }

    /// What it decodes, if it has an address.
    #[must_use]
    pub fn range(&self) -> Option<Range<u64>> {
        let start = self.address.ok()?;
        Some(start..start.checked_add(self.size)?)
    }
}

/// Why a BAR is nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unassigned {
    /// Firmware gave it no address, or one that does not reach it, and nobody has looked for a better one yet.
    #[error("it was given no address")]
    Unset,
    /// There is no hole for it.
    #[error("no room: {size:#x} bytes of {} wanted, the largest hole has {largest:#x}", .kind.name())]
    NoRoom {
        /// What it decodes.
        kind: AddressSpace,
        /// Its bytes.
        size: u64,
        /// Bytes of the largest hole where it could have gone, bridges above it included.
        largest: u64,
    },
    /// It does not hold the address that was written to it.
    #[error("it does not take {address:#x}")]
    Refused {
        /// What was written.
        address: u64,
    },
    /// It shares its switch with one that there is no place for.
    #[error("it cannot be decoded without BAR {with}, which is nowhere")]
    SwitchedOff {
        /// That BAR.
        with: u8,
    },
    /// A bridge above it does not forward that.
    #[error("the bridge above forwards no {}", .kind.name())]
    NotForwarded {
        /// What it decodes.
        kind: AddressSpace,
    },
}
