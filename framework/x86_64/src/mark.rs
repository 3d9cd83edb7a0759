//! Marks: instructions that do nothing, and show to what counts instructions from outside where the code is.

#![expect(unsafe_code, reason = "an instruction that no Rust code makes")]

use core::arch::asm;

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
