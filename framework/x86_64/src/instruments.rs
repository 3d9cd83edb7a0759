//! Measurement of interrupt costs: a vector raised by software, and an interrupt window in which it is delivered.
//!
//! Under QEMU's `-icount shift=0` the time stamp counter counts instructions, identically in each run. Safe code can
//! raise any vector here, so this is behind the feature `instruments`.

#![expect(unsafe_code, reason = "interrupts are enabled for one instruction, between two readings of the counter")]

use core::arch::asm;

use spin::Once;
use switchboard::platform::{InterruptController, Vector};

use super::apic::Controller;
use super::clock;

static CONTROLLER: Once<&'static Controller> = Once::new();

/// Sets the controller that [`raise_vector`] uses.
pub(super) fn init(controller: &'static Controller) {
    CONTROLLER.call_once(|| controller);
}

/// Raises a vector on its CPU, as a message does. Does nothing before [`init`](crate::init).
pub fn raise_vector(vector: Vector) {
    if let Some(controller) = CONTROLLER.get() {
        controller.raise(vector);
    }
}

/// The instructions from the first reading of the counter (included) to the delivery of a pending interrupt: two moves,
/// `sti`, and the instruction in its shadow.
pub const INSTRUCTIONS_BEFORE_DELIVERY: u64 = 5;

/// The readings of the counter around an interrupt window.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct InterruptWindow {
    /// The reading before interrupts were enabled.
    pub before: u64,
    /// The reading after they were disabled again.
    pub after: u64,
}

/// Reads the time stamp counter.
#[inline(always)]
#[must_use]
pub fn read_tsc() -> u64 {
    clock::read_tsc()
}

/// Runs `pend` with interrupts disabled, then enables them for one instruction, which delivers what `pend` made
/// pending. The interrupt flag is restored.
pub fn open_interrupt_window(pend: impl FnOnce()) -> InterruptWindow {
    x86_64::instructions::interrupts::without_interrupts(|| {
        pend();
        let (low, high, low_after, high_after): (u64, u64, u64, u64);
        // SAFETY: interrupts may be enabled here: `without_interrupts` is in this function, and no lock is held.
        // Handlers save the registers that they use; `cli` restores what the closure expects.
        unsafe {
            asm!(
                "rdtsc",
                "mov {low}, rax",
                "mov {high}, rdx",
                "sti",
                "nop",
                "nop",
                "cli",
                "rdtsc",
                low = out(reg) low,
                high = out(reg) high,
                out("rax") low_after,
                out("rdx") high_after,
            );
        }
        InterruptWindow { before: high << 32 | low, after: high_after << 32 | low_after }
    })
}
