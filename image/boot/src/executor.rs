//! The executor: polls the tasks that were woken, and halts the CPU when there are none.

#![expect(unsafe_code, reason = "the executor's wake-up hook and the critical section are link-time symbols")]

use alloc::boxed::Box;
use core::hint::spin_loop;
use core::ptr;
use core::sync::atomic::{AtomicBool, Ordering};

use critical_section::RawRestoreState;
use embassy_executor::{Spawner, raw};
use switchboard_runtime::halt_polling::HaltPolling;
use switchboard_x86_64 as arch;
use x86_64::instructions::interrupts;

/// Set when a task is woken, by ISRs too; cleared when the executor has read it.
static WOKEN: AtomicBool = AtomicBool::new(false);

/// The hook of `embassy-executor` for a task that becomes ready, called from any context.
#[unsafe(export_name = "__pender")]
fn pender(_context: *mut ()) {
    WOKEN.store(true, Ordering::Release);
}

/// Runs tasks for ever, and polls before each halt as `polling` decides; `start` spawns the first tasks.
pub(crate) fn run(mut polling: HaltPolling, start: impl FnOnce(Spawner)) -> ! {
    let executor: &'static raw::Executor = Box::leak(Box::new(raw::Executor::new(ptr::null_mut())));
    start(executor.spawner());
    loop {
        // SAFETY: this is the only call, in a loop that is not re-entered: `pender` only sets a flag.
        unsafe { executor.poll() };
        if WOKEN.swap(false, Ordering::Acquire) {
            continue;
        }
        let budget_ns = polling.budget_ns();
        if budget_ns > 0 {
            if is_woken_within(budget_ns) {
                polling.record_hit();
                continue;
            }
            polling.record_miss();
        }
        // An ISR between the check of the flag and the halt would leave its task waiting for the next interrupt. So the
        // check is made with interrupts off, and `sti; hlt` delivers a pending interrupt only after the halt.
        interrupts::disable();
        if WOKEN.swap(false, Ordering::Acquire) {
            interrupts::enable();
        } else {
            arch::halt_until_interrupt();
        }
    }
}

/// Polls for a wake-up; returns `false` when none came within `limit_ns` nanoseconds.
fn is_woken_within(limit_ns: u64) -> bool {
    let end = arch::now_ns() + limit_ns;
    while arch::now_ns() < end {
        if WOKEN.swap(false, Ordering::Acquire) {
            return true;
        }
        spin_loop();
    }
    false
}

/// The critical section of a single CPU: interrupts are off.
struct InterruptsOff;

critical_section::set_impl!(InterruptsOff);

// SAFETY: there is one CPU, and with its interrupts off no other code runs on it until `release`. Sections nest,
// because only the outermost one turns interrupts on again.
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
