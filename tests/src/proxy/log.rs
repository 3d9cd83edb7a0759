//! What the guest did to a function, in order.

use core::fmt;

/// One access.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Configuration space was read.
    ConfigRead {
        /// Where.
        offset: usize,
        /// Bytes.
        width: usize,
        /// What was answered.
        value: u32,
    },
    /// Configuration space was written.
    ConfigWrite(ConfigWrite),
    /// A register was read.
    BarRead {
        /// The BAR, 0 to 5.
        bar: usize,
        /// Where in it.
        offset: u64,
        /// Bytes.
        width: usize,
        /// What was answered.
        value: u64,
    },
    /// A register was written.
    BarWrite {
        /// The BAR, 0 to 5.
        bar: usize,
        /// Where in it.
        offset: u64,
        /// Bytes.
        width: usize,
        /// What.
        value: u64,
    },
}

/// A write to configuration space.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConfigWrite {
    /// Where.
    pub offset: usize,
    /// Bytes.
    pub width: usize,
    /// What.
    pub value: u32,
}

/// As `4: 0007`: where, and as many digits as bytes were written.
impl fmt::Display for ConfigWrite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}: {:0digits$x}", self.offset, self.value, digits = 2 * self.width)
    }
}

/// More than any driver does in the life of a test; what comes later is only counted.
const MOST: usize = 1 << 18;

/// The accesses since the firmware was done.
#[derive(Debug, Default)]
pub(super) struct Log {
    pub(super) accesses: Vec<Access>,
    /// How many were not kept.
    pub(super) beyond: u64,
}

impl Log {
    pub(super) fn push(&mut self, access: Access) {
        if self.accesses.len() < MOST {
            self.accesses.push(access);
        } else {
            self.beyond += 1;
        }
    }
}
