//! Log of the guest's accesses to a function, in order.

use core::fmt;

/// One access.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Configuration space was read.
    ConfigRead {
        /// Offset in configuration space.
        offset: usize,
        /// Width in bytes.
        width: usize,
        /// The value returned.
        value: u32,
    },
    /// Configuration space was written.
    ConfigWrite(ConfigWrite),
    /// A register was read.
    BarRead {
        /// Index of the BAR, 0 to 5.
        bar: usize,
        /// Offset in the BAR.
        offset: u64,
        /// Width in bytes.
        width: usize,
        /// The value returned.
        value: u64,
    },
    /// A register was written.
    BarWrite {
        /// Index of the BAR, 0 to 5.
        bar: usize,
        /// Offset in the BAR.
        offset: u64,
        /// Width in bytes.
        width: usize,
        /// The value written.
        value: u64,
    },
}

/// A write to configuration space.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConfigWrite {
    /// Offset in configuration space.
    pub offset: usize,
    /// Width in bytes.
    pub width: usize,
    /// The value written.
    pub value: u32,
}

/// Formats as `4: 0007`: the offset, and two digits for each byte written.
impl fmt::Display for ConfigWrite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}: {:0digits$x}", self.offset, self.value, digits = 2 * self.width)
    }
}

/// Number of accesses that are kept, more than any driver makes during a test; later ones are only counted.
const MAX_ACCESSES: usize = 1 << 18;

/// The accesses since the end of the firmware's phase.
#[derive(Debug, Default)]
pub(super) struct Log {
    pub(super) accesses: Vec<Access>,
    /// Number of accesses that were not kept.
    pub(super) dropped: u64,
}

impl Log {
    pub(super) fn push(&mut self, access: Access) {
        if self.accesses.len() < MAX_ACCESSES {
            self.accesses.push(access);
        } else {
            self.dropped += 1;
        }
    }
}
