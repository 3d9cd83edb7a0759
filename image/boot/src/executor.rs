//! The executor: polls tasks that were woken, and halts the CPU when there are none.

#![expect(unsafe_code, reason = "the executor's wake-up hook and the critical section are link-time symbols")]

use alloc::boxed::Box;
use core::hint::spin_loop;
use core::ptr;
use core::sync::atomic::{AtomicBool, Ordering};

use critical_section::RawRestoreState;
use embassy_executor::{Spawner, raw};
use switchboard_runtime::halt_polling::HaltPolling;
use switchboard_runtime::tasks;
use switchboard_x86_64 as arch;
use x86_64::instructions::interrupts;

/// Whether a task was woken since the executor last looked. ISRs set it too.
static WOKEN: AtomicBool = AtomicBool::new(false);

/// What the executor calls when a task becomes ready, from any context.
#[unsafe(export_name = "__pender")]
fn pender(_context: *mut ()) {
    WOKEN.store(true, Ordering::Release);
}

/// Runs tasks for ever, and waits as `spin` says; `start` spawns the first ones.
pub(crate) fn run(mut spin: HaltPolling, start: impl FnOnce(Spawner)) -> ! {
    let executor: &'static raw::Executor = Box::leak(Box::new(raw::Executor::new(ptr::null_mut())));
    start(executor.spawner());
    loop {
        // SAFETY: this is the only call, in a loop that nothing re-enters: `pender` merely sets a flag.
        unsafe { executor.poll() };
        if WOKEN.swap(false, Ordering::Acquire) {
            continue;
        }
        let budget = spin.budget_ns();
        if budget > 0 {
            if is_woken_within(budget) {
                spin.record_hit();
                continue;
            }
            spin.record_miss();
        }
        // Between the look at the flag and the halt an ISR could wake a task that then sleeps until the next
        // interrupt. So look with interrupts off; `sti; hlt` lets a pending one in only once halted.
        interrupts::disable();
        if WOKEN.swap(false, Ordering::Acquire) {
            interrupts::enable();
        } else {
            let halted = arch::now_ns();
            arch::halt_until_interrupt();
            tasks::add_idle_ns(arch::now_ns() - halted);
        }
    }
}

/// Waits awake, for so many nanoseconds at the most.
fn is_woken_within(nanoseconds: u64) -> bool {
    let end = arch::now_ns() + nanoseconds;
    while arch::now_ns() < end {
        if WOKEN.swap(false, Ordering::Acquire) {
            return true;
        }
        spin_loop();
    }
    false
}

/// A critical section on one CPU is a stretch with interrupts off.
struct InterruptsOff;

critical_section::set_impl!(InterruptsOff);

// SAFETY: there is one CPU, and with its interrupts off nothing else runs on it until `release`; sections nest
// because only the outermost one turns interrupts back on.
unsafe impl critical_section::Impl for InterruptsOff {
    unsafe fn acquire() -> RawRestoreState {
        let were_enabled = interrupts::are_enabled();
        interrupts::disable();
        were_enabled
    }

    unsafe fn release(were_enabled: RawRestoreState) {
        if were_enabled {
            interrupts::enable();
        }
    }
}
