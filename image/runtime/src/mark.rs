//! Marks: instructions without an effect that let a profiler outside the guest see where the code is.
//!
//! QEMU's plugin that counts guest instructions recognises them by their number.

#[cfg(target_arch = "x86_64")]
pub use switchboard_x86_64::mark::mark;

/// Does nothing: marks exist only on x86-64.
#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
pub fn mark<const ID: u16>() {}

/// The scan of configuration space begins.
pub const SCAN: u16 = 4;
/// The scan of configuration space has ended: all functions are known, and have their addresses.
pub const SCANNED: u16 = 5;
/// An app has measured the interrupts before this.
pub const MEASURED: u16 = 6;
/// An app has read a block of a disk.
pub const BLOCK: u16 = 22;
