//! Stopping all other CPUs, for a panic and for the end.

use core::hint::spin_loop;
use core::sync::atomic::{AtomicU32, Ordering};

use super::{current, find_current, online};
use crate::apic::local;
use crate::clock;

/// The limit for the others to stop: a CPU of a busy host is not run for a while.
const TIMEOUT_NS: u64 = 200_000_000;
const NONE: u32 = u32::MAX;

/// The index of the CPU that stops the others.
static STOPPER: AtomicU32 = AtomicU32::new(NONE);
/// The CPUs that have stopped.
static STOPPED: AtomicU32 = AtomicU32::new(0);

/// Stops all other CPUs where they are, by a non-maskable interrupt, and waits until they have stopped. Called by two CPUs, one
/// of them stops here.
pub(crate) fn stop_others() {
    let (Some(here), others @ [_, _, ..]) = (find_current(), online()) else { return };
    match STOPPER.compare_exchange(NONE, here.index(), Ordering::SeqCst, Ordering::SeqCst) {
        Ok(_) => {}
        Err(stopper) if stopper == here.index() => return,
        Err(_) => halt(),
    }
    let others = others.iter().filter(|cpu| cpu.index() != here.index());
    let mut count = 0;
    for cpu in others {
        local::send_nmi(cpu.id());
        count += 1;
    }
    let start_ns = clock::now_ns();
    while STOPPED.load(Ordering::SeqCst) < count && clock::now_ns() < start_ns + TIMEOUT_NS {
        spin_loop();
    }
}

/// Stops this CPU for good if another has requested it. Called for a non-maskable interrupt.
pub(crate) fn acknowledge_stop() {
    let stopper = STOPPER.load(Ordering::SeqCst);
    if stopper != NONE && stopper != current().index() {
        halt();
    }
}

fn halt() -> ! {
    STOPPED.fetch_add(1, Ordering::SeqCst);
    x86_64::instructions::interrupts::disable();
    loop {
        x86_64::instructions::hlt();
    }
}
