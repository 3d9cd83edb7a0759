//! RISC-V, 64 bits, in supervisor mode.

#![expect(unsafe_code, reason = "registers that only assembly reaches")]

use core::arch::asm;

/// Supervisor Interrupt Enable in `sstatus`.
const INTERRUPTS_ENABLED: u64 = 1 << 1;

/// Returns the stack pointer. The stack grows down: the frames of callers are above.
#[inline(always)]
pub(crate) fn stack_pointer() -> usize {
    let pointer;
    // SAFETY: only reads the register.
    unsafe { asm!("mv {}, sp", out(reg) pointer, options(nomem, nostack, preserves_flags)) };
    pointer
}

/// Returns the low half of the time counter.
#[inline(always)]
pub(crate) fn ticks() -> u32 {
    let ticks: u64;
    // SAFETY: only reads the register.
    unsafe { asm!("rdtime {}", out(reg) ticks, options(nomem, nostack, preserves_flags)) };
    (ticks & 0xffff_ffff) as u32
}

/// Disables interrupts on this CPU. Returns whether they were enabled.
#[inline]
pub(crate) fn disable_interrupts() -> bool {
    let before: u64;
    // SAFETY: disabling interrupts breaks no invariant of Rust code.
    unsafe { asm!("csrrci {}, sstatus, 2", out(reg) before, options(nostack)) };
    before & INTERRUPTS_ENABLED != 0
}

/// Enables interrupts on this CPU, after [`disable_interrupts`] has returned that they were.
#[inline]
pub(crate) fn enable_interrupts() {
    // SAFETY: interrupts were enabled before, and so the handlers are in place.
    unsafe { asm!("csrsi sstatus, 2", options(nostack)) };
}

/// Does nothing: there are no I/O ports, and the CPU's own fence orders.
#[inline]
pub(crate) fn io_fence() {}
