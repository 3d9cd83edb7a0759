//! Detection of QEMU's boards, whose wiring no register describes.

use switchboard::config::{Address, ConfigAccess, Width};

/// Subsystem Vendor ID and Subsystem ID of functions on QEMU's boards, as one dword.
const QEMU: u32 = 0x1100_1af4;
const SUBSYSTEM: u16 = 0x2c;

/// Returns whether the board is QEMU's, by the subsystem ids of its host bridge.
pub(crate) fn is_qemu(access: &dyn ConfigAccess) -> bool {
    access.read(Address::new(0, 0, 0, 0), SUBSYSTEM, Width::Dword) == QEMU
}
