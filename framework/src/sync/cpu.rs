//! What the CPU tells in one instruction.

#![expect(unsafe_code, reason = "reading two registers")]

use core::arch::asm;

/// Where the stack is. The stack grows down, so what a caller keeps is above.
#[inline(always)]
pub(crate) fn stack_pointer() -> usize {
    let pointer;
    // SAFETY: only reads the register.
    unsafe { asm!("mov {}, rsp", out(reg) pointer, options(nomem, nostack, preserves_flags)) };
    pointer
}

/// The low half of the time stamp counter: enough for what takes less than a second.
#[inline(always)]
pub(crate) fn ticks() -> u32 {
    let ticks;
    // SAFETY: every x86-64 CPU has the counter, and lets any ring read it unless told otherwise.
    unsafe { asm!("rdtsc", out("eax") ticks, out("edx") _, options(nomem, nostack, preserves_flags)) };
    ticks
}
