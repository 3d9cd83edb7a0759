//! What is known of a BAR.

use crate::assign::Unassigned;

/// What a BAR decodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BarFacts {
    /// 0 to 5: its first register.
    pub index: u8,
    /// What kind of addresses.
    pub kind: BarKind,
    /// Where it begins, or why it is nowhere.
    pub address: Result<u64, Unassigned>,
    /// Its bytes, a power of two.
    pub size: u64,
}

/// The address space of a BAR.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BarKind {
    /// I/O ports.
    Io,
    /// Memory below 4 GiB.
    Memory32 {
        /// Reads have no side effects.
        prefetchable: bool,
    },
    /// Memory anywhere; takes two registers.
    Memory64 {
        /// Reads have no side effects.
        prefetchable: bool,
    },
}

impl BarKind {
    /// `io`, `mem32` or `mem64`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Io => "io",
            Self::Memory32 { .. } => "mem32",
            Self::Memory64 { .. } => "mem64",
        }
    }
}
