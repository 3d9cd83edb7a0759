//! Instruments that count what an interrupt costs: a vector raised by software, and a window of one instruction in which it is taken.
//!
//! Under QEMU's `-icount shift=0` the time stamp counter counts instructions, identically from run to run. Behind the feature
//! `instruments`, since safe code could raise any vector here.

#![expect(unsafe_code, reason = "interrupts on for one instruction, between two looks at the counter")]

use core::arch::asm;

use spin::Once;
use switchboard::platform::{InterruptController, Vector};

use super::apic::Controller;
use super::clock;

static CONTROLLER: Once<&'static Controller> = Once::new();

/// Keeps the controller of the machine.
pub(super) fn init(controller: &'static Controller) {
    CONTROLLER.call_once(|| controller);
}

/// Raises a vector on its CPU, as a message to it does.
pub fn raise_vector(vector: Vector) {
    if let Some(controller) = CONTROLLER.get() {
        controller.raise(vector);
    }
}

/// Instructions from the first look at the counter (itself included) to where a pending interrupt is taken:
/// two moves to keep it, `sti`, and the instruction in its shadow.
pub const INSTRUCTIONS_BEFORE_DELIVERY: u64 = 5;

/// The counter on both sides of the window.
#[derive(Debug, Clone, Copy)]
pub struct InterruptWindow {
    /// As the window was about to open.
    pub before: u64,
    /// As it had closed.
    pub after: u64,
}

/// The counter now.
#[inline(always)]
#[must_use]
pub fn read_tsc() -> u64 {
    clock::read_tsc()
}

/// Runs `pend` with interrupts off, then lets what it made pending in. Interrupts are as before afterwards.
pub fn open_interrupt_window(pend: impl FnOnce()) -> InterruptWindow {
    x86_64::instructions::interrupts::without_interrupts(|| {
        pend();
        let (low, high, low_after, high_after): (u64, u64, u64, u64);
        // SAFETY: interrupts may be on here: `without_interrupts` is ours, and no lock is held. The handlers save
        // what they use; `cli` restores what the closure expects.
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
