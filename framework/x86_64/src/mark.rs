//! Marks: instructions that do nothing, and tell whoever counts instructions from outside where the code is.

#![expect(unsafe_code, reason = "an instruction that no Rust code makes")]

use core::arch::asm;

/// The system serves: what is counted since the image's first instruction is what starting costs.
pub const READY: u16 = 3;
/// The walk over configuration space begins.
pub const SCAN: u16 = 4;
/// The walk over configuration space has ended: functions are known, and have their addresses.
pub const SCANNED: u16 = 5;
/// A block of a disk was read, in the loop that measures that.
pub const BLOCK: u16 = 22;
/// An HTTP request is answered.
pub const HTTP: u16 = 30;
/// A UDP packet was echoed.
pub const UDP_ECHO: u16 = 31;
/// Bytes of a TCP connection were echoed.
pub const TCP_ECHO: u16 = 32;
/// A frame was sent back.
pub const FRAME: u16 = 33;

/// Executes `nopl 0x4d4b0000 + ID(%rax)`. Between two of the same mark lies what one operation costs.
#[inline(always)]
pub fn mark<const ID: u16>() {
    // SAFETY: a multi-byte NOP accesses no memory and changes no register or flag (Intel SDM, volume 2, NOP).
    unsafe {
        asm!(
            ".byte 0x0f, 0x1f, 0x80, {id} & 0xff, {id} >> 8, 0x4b, 0x4d",
            id = const ID,
            options(nomem, nostack, preserves_flags)
        );
    };
}
