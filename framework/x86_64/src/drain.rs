//! Draining a vector: waiting until its CPU has served what has arrived there.
//!
//! An interrupt that has arrived waits in the local APIC's request register (IRR) until its CPU enables interrupts, and only that CPU
//! can read the register. So it is asked to, by a vector of the machine's own. That is served between the handlers of functions:
//! when the register has no request then, nothing is left.

use core::hint::spin_loop;
use core::sync::atomic::Ordering;

use switchboard::platform::Vector;
use x86_64::instructions::interrupts;

use super::apic::local;
use super::clock;
use super::cpus::{self, CpuArea};
use super::vectors::CALL;

/// Looks before the CPU is asked again: an interrupt that was pending has been served by then.
const LOOKS: u32 = 256;
/// The limit for the CPU to serve it: one of a busy host is not run for a while.
const TIMEOUT_NS: u64 = 1_000_000_000;

/// Waits until no interrupt with this vector, which nothing sends, waits to be served. Returns `false` after a second, and
/// if it is one of this CPU, which has interrupts disabled.
pub(super) fn drain(vector: Vector) -> bool {
    let Some(cpu) = cpus::by_id(vector.cpu()) else { return true };
    if cpu.id() == cpus::current().id() {
        return drain_own(vector.number());
    }
    let (word, bit) = (&cpu.draining[usize::from(vector.number() / 64)], 1 << (vector.number() % 64));
    word.fetch_or(bit, Ordering::SeqCst);
    let start_ns = clock::now_ns();
    loop {
        local::send(cpu.id(), CALL);
        for _ in 0..LOOKS {
            if word.load(Ordering::SeqCst) & bit == 0 {
                return true;
            }
            spin_loop();
        }
        if clock::now_ns() > start_ns + TIMEOUT_NS {
            word.fetch_and(!bit, Ordering::SeqCst);
            return false;
        }
        cpu.is_asked_again.store(true, Ordering::SeqCst);
    }
}

/// Waits for an interrupt of this CPU: with interrupts enabled it is delivered at once.
fn drain_own(vector: u8) -> bool {
    while local::is_requested(vector) {
        if !interrupts::are_enabled() {
            return false;
        }
        spin_loop();
    }
    true
}

/// Answers the requests of other CPUs, between the handlers of functions. Returns whether there were any.
pub(super) fn answer(cpu: &CpuArea) -> bool {
    let mut is_any = false;
    for (group, word) in (0_u8..).zip(&cpu.draining) {
        let mut draining = word.load(Ordering::SeqCst);
        while draining != 0 {
            let bit = draining & draining.wrapping_neg();
            // What is pending is served when this returns, and asked for again.
            if !local::is_requested(group * 64 + draining.trailing_zeros().to_le_bytes()[0]) {
                word.fetch_and(!bit, Ordering::SeqCst);
            }
            draining &= !bit;
            is_any = true;
        }
    }
    is_any || cpu.is_asked_again.swap(false, Ordering::SeqCst)
}
