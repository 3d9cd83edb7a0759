//! The description of a BAR: index, kind, address and size.

use crate::assign::Unassigned;

/// A BAR of a function: kind, address and size.
///
/// ```
/// use switchboard::bar::{BarFacts, BarKind};
/// use switchboard_testing::{FakeFunction, FakeMachine};
///
/// let fake = FakeMachine::new([FakeFunction::new(0x1234, 0x11e8).bar(0, 0x1000)]);
/// let resources = fake.machine().take_all().remove(0).claim().expect("an endpoint");
/// let BarFacts { kind, address, size, .. } = resources.bar0.facts().expect("a BAR");
/// assert_eq!((kind, size), (BarKind::Memory32 { prefetchable: false }, 0x1000));
/// assert!(address.is_ok_and(|address| address.is_multiple_of(size)));
/// assert_eq!(resources.bar1.facts(), None);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct BarFacts {
    /// The index of its first register, 0 to 5.
    pub index: u8,
    /// Address space and type.
    pub kind: BarKind,
    /// The start address, or why it has none.
    pub address: Result<u64, Unassigned>,
    /// The size in bytes, a power of two.
    pub size: u64,
}

/// The address space and type of a BAR.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BarKind {
    /// I/O ports.
    Io,
    /// Memory below 4 GiB.
    Memory32 {
        /// Reads have no side effects.
        prefetchable: bool,
    },
    /// Memory at any 64-bit address; takes two registers.
    Memory64 {
        /// Reads have no side effects.
        prefetchable: bool,
    },
}

impl BarKind {
    /// Returns `io`, `mem32` or `mem64`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Io => "io",
            Self::Memory32 { .. } => "mem32",
            Self::Memory64 { .. } => "mem64",
        }
    }
}
