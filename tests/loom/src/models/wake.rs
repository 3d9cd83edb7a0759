//! Tasks that are woken by other CPUs, while their executor is about to halt.

use alloc::sync::Arc;

use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use loom::thread;

use crate::event::WakeFlag;

/// Almost all bugs need two.
pub const PREEMPTIONS: Option<usize> = Some(2);

/// An executor, of which only the number of woken tasks is modelled.
struct Executor {
    queued: AtomicUsize,
    flag: WakeFlag,
    /// An interrupt is pending at the CPU.
    is_pending: AtomicBool,
    interrupts: AtomicUsize,
}

/// Two CPUs wake a task each: both are polled, the CPU never halts with one in its queue, and there are no more interrupts than tasks.
pub fn no_task_is_left_by_a_cpu_that_halts() {
    let [queued, interrupts] = [AtomicUsize::new(0), AtomicUsize::new(0)];
    let is_pending = AtomicBool::new(false);
    let executor = Arc::new(Executor { queued, flag: WakeFlag::default(), is_pending, interrupts });
    assert!(!executor.flag.take());
    let wakers = [(); 2].map(|()| {
        let executor = executor.clone();
        thread::spawn(move || {
            executor.queued.fetch_add(1, Ordering::AcqRel);
            if executor.flag.wake_from_another_cpu() {
                executor.interrupts.fetch_add(1, Ordering::Relaxed);
                // Not a store, which loom does not order among swaps.
                executor.is_pending.swap(true, Ordering::SeqCst);
            }
        })
    });
    let mut polled = 0;
    loop {
        polled += executor.queued.swap(0, Ordering::AcqRel);
        if polled == 2 {
            break;
        }
        if executor.flag.take() {
            continue;
        }
        // An interrupt that came until here has been served; from here on they are disabled.
        executor.is_pending.swap(false, Ordering::SeqCst);
        if executor.flag.take() {
            continue;
        }
        // Halted.
        while !executor.is_pending.swap(false, Ordering::SeqCst) {
            thread::yield_now();
        }
    }
    for waker in wakers {
        waker.join().expect("no panic");
    }
    assert!((1..=2).contains(&executor.interrupts.load(Ordering::Relaxed)), "an interrupt for each task, or fewer");
}
