//! Marks: no-operation instructions that show to an instruction counter outside the machine which code runs.

#![expect(unsafe_code, reason = "an instruction that the compiler does not generate")]

use core::arch::asm;

/// Executes `nopl 0x4d4b0000 + ID(%rax)`. The instructions between two executions of a mark are the cost of one
/// operation.
///
/// ```
/// switchboard_x86_64::mark::mark::<7>();
/// ```
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
