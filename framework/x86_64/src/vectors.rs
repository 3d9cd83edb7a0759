//! The vector numbers that are the machine's own.

/// From here on vectors are the machine's own; those below are for functions.
pub(super) const FIRST_OWN: u8 = 0xf0;
/// Handlers that are to be called without their device's doing.
pub(super) const CALL: u8 = 0xfb;
/// Alarms of the local APIC timer.
pub(super) const TIMER: u8 = 0xfc;
/// Errors that the local APIC has seen.
pub(super) const ERROR: u8 = 0xfd;
/// Where the local APIC sends what it cannot explain. The low four bits are ones, as old CPUs want it.
pub(super) const SPURIOUS: u8 = 0xff;
