//! AArch64, at EL1.

#![expect(unsafe_code, reason = "registers that only assembly reaches")]

use core::arch::asm;

/// The IRQ mask bit in DAIF.
const IRQ_MASKED: u64 = 1 << 7;

/// Returns the stack pointer. The stack grows down: the frames of callers are above.
#[inline(always)]
pub(crate) fn stack_pointer() -> usize {
    let pointer;
    // SAFETY: only reads the register.
    unsafe { asm!("mov {}, sp", out(reg) pointer, options(nomem, nostack, preserves_flags)) };
    pointer
}

/// Returns the low half of the virtual counter.
#[inline(always)]
pub(crate) fn ticks() -> u32 {
    let ticks: u64;
    // SAFETY: only reads the register, which EL1 may do.
    unsafe { asm!("mrs {}, cntvct_el0", out(reg) ticks, options(nomem, nostack, preserves_flags)) };
    (ticks & 0xffff_ffff) as u32
}

/// Disables interrupts on this CPU. Returns whether they were enabled.
#[inline]
pub(crate) fn disable_interrupts() -> bool {
    let flags: u64;
    // SAFETY: only reads the register.
    unsafe { asm!("mrs {}, daif", out(reg) flags, options(nomem, nostack, preserves_flags)) };
    // SAFETY: disabling interrupts breaks no invariant of Rust code.
    unsafe { asm!("msr daifset, #2", options(nostack)) };
    flags & IRQ_MASKED == 0
}

/// Enables interrupts on this CPU, after [`disable_interrupts`] has returned that they were.
#[inline]
pub(crate) fn enable_interrupts() {
    // SAFETY: interrupts were enabled before, and so the handlers are in place.
    unsafe { asm!("msr daifclr, #2", options(nostack)) };
}

/// Does nothing: there are no I/O ports, and the CPU's own fence orders.
#[inline]
pub(crate) fn io_fence() {}
