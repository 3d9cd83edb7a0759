//! The critical section of the crates that share data between tasks and handlers of all CPUs.

#![expect(unsafe_code, reason = "a critical section is a promise to other crates, made by link-time symbols")]

use core::hint::spin_loop;
use core::sync::atomic::{AtomicUsize, Ordering};

use critical_section::RawRestoreState;
use switchboard_x86_64 as arch;
use x86_64::instructions::interrupts;

/// Interrupts are off on this CPU, and no other CPU is in a critical section.
struct GlobalSection;

critical_section::set_impl!(GlobalSection);

/// The CPU in the section, or [`FREE`].
static OWNER: AtomicUsize = AtomicUsize::new(FREE);
const FREE: usize = usize::MAX;

/// What the release restores.
const ENABLE_INTERRUPTS: RawRestoreState = 1;
const UNLOCK: RawRestoreState = 2;

// SAFETY: with the interrupts of this CPU off and the owner set to it, no other code is in a section until the release of the
// outermost one, which alone has the bits to end it. While one CPU runs, the first half is enough.
unsafe impl critical_section::Impl for GlobalSection {
    unsafe fn acquire() -> RawRestoreState {
        let enable = if interrupts::are_enabled() { ENABLE_INTERRUPTS } else { 0 };
        interrupts::disable();
        if arch::cpu_count() == 1 {
            return enable;
        }
        let here = arch::current_cpu();
        if OWNER.load(Ordering::Relaxed) == here {
            return enable;
        }
        while OWNER.compare_exchange_weak(FREE, here, Ordering::Acquire, Ordering::Relaxed).is_err() {
            spin_loop();
        }
        enable | UNLOCK
    }

    unsafe fn release(state: RawRestoreState) {
        if state & UNLOCK != 0 {
            OWNER.store(FREE, Ordering::Release);
        }
        if state & ENABLE_INTERRUPTS != 0 {
            interrupts::enable();
        }
    }
}
