//! The vectors of the machine's own, which functions do not get.

/// The first vector of the machine's own. Those from 32 to here are for functions.
pub(super) const FIRST_OWN: u8 = 0xf0;
/// Wakes a halted CPU.
pub(super) const WAKE: u8 = 0xfa;
/// Requested calls of handlers, without an interrupt of their device.
pub(super) const CALL: u8 = 0xfb;
/// The alarm of the local APIC timer.
pub(super) const TIMER: u8 = 0xfc;
/// Errors that the local APIC detects.
pub(super) const ERROR: u8 = 0xfd;
/// Spurious interrupts of the local APIC. The low four bits are ones, as old CPUs require.
pub(super) const SPURIOUS: u8 = 0xff;
