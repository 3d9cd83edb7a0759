//! x86-64.
//!
//! Host tests run in ring 3, where `cli` faults and no ISR can interrupt: there interrupts are left as they are.

#![expect(unsafe_code, reason = "registers and flags that only assembly reaches")]

use core::arch::asm;

/// The interrupt flag in RFLAGS.
const INTERRUPT_FLAG: u64 = 1 << 9;

/// Returns the stack pointer. The stack grows down: the frames of callers are above.
#[inline(always)]
pub(crate) fn stack_pointer() -> usize {
    let pointer;
    // SAFETY: only reads the register.
    unsafe { asm!("mov {}, rsp", out(reg) pointer, options(nomem, nostack, preserves_flags)) };
    pointer
}

/// Returns the low half of the time stamp counter, which serves intervals of less than a second.
#[inline(always)]
pub(crate) fn ticks() -> u32 {
    let ticks;
    // SAFETY: every x86-64 CPU has the counter, and lets any ring read it unless configured otherwise.
    unsafe { asm!("rdtsc", out("eax") ticks, out("edx") _, options(nomem, nostack, preserves_flags)) };
    ticks
}

/// Disables interrupts on this CPU. Returns whether they were enabled.
#[inline]
pub(crate) fn disable_interrupts() -> bool {
    let segment: u16;
    // SAFETY: only reads the register.
    unsafe { asm!("mov {0:x}, cs", out(reg) segment, options(nomem, nostack, preserves_flags)) };
    // The low bits are the ring.
    if segment & 3 != 0 {
        return false;
    }
    let flags: u64;
    // SAFETY: only reads the flags.
    unsafe { asm!("pushfq", "pop {}", out(reg) flags, options(nomem, preserves_flags)) };
    let were_enabled = flags & INTERRUPT_FLAG != 0;
    if were_enabled {
        // SAFETY: disabling interrupts breaks no invariant of Rust code. Not `nomem`: what follows must not move above.
        unsafe { asm!("cli", options(nostack)) };
    }
    were_enabled
}

/// Enables interrupts on this CPU, after [`disable_interrupts`] has returned that they were.
#[inline]
pub(crate) fn enable_interrupts() {
    // SAFETY: interrupts were enabled before, and so the handlers are in place. Not `nomem`: what precedes must not move below.
    unsafe { asm!("sti", options(nostack)) };
}

/// Orders accesses by reading the POST code port, which has no side effect and which every PC has. For ring 0.
#[inline]
pub(crate) fn io_fence() {
    // SAFETY: `MachineParts::fence` was set to allow this. Not `nomem`: accesses must not move across.
    unsafe { asm!("in al, 0x80", out("al") _, options(nostack, preserves_flags)) };
}
