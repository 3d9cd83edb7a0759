//! Marks: instructions that do nothing, and show to what counts instructions from outside where the code is.

#[cfg(target_arch = "x86_64")]
pub use switchboard_x86_64::mark::mark;

/// Executes nothing: only on x86-64 there is an instruction for it.
#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
pub fn mark<const ID: u16>() {}

/// The walk over configuration space begins.
pub const SCAN: u16 = 4;
/// The walk over configuration space has ended: functions are known, and have their addresses.
pub const SCANNED: u16 = 5;
/// An app has read a block of a disk.
pub const BLOCK: u16 = 22;
