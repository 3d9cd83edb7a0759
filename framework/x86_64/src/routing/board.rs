//! Which board this is, where that says more than any register does.

use switchboard::config::{Address, ConfigAccess, Width};

/// Subsystem vendor and device, as one dword, of what is on QEMU's boards.
const QEMU: u32 = 0x1100_1af4;
const SUBSYSTEM: u16 = 0x2c;

/// Whether it is one of QEMU's, by what its host bridge is signed with.
pub(crate) fn is_qemu(access: &dyn ConfigAccess) -> bool {
    access.read(Address::new(0, 0, 0, 0), SUBSYSTEM, Width::Dword) == QEMU
}
