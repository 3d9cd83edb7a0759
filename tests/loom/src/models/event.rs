//! An event between an ISR on one CPU and a task on another.

use alloc::sync::Arc;

use loom::future::block_on;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;

use super::life::Life;
use crate::event::event;

/// All orders.
pub const PREEMPTIONS: Option<usize> = None;

/// Two raises, that may coalesce: the task sleeps through none of them.
pub fn no_wake_up_is_lost() {
    let (notifier, mut waiter) = event();
    let arrived = Arc::new(AtomicUsize::new(0));
    let isr = thread::spawn({
        let arrived = arrived.clone();
        move || {
            for count in 1..=2 {
                arrived.store(count, Ordering::Relaxed);
                notifier.notify_from_task();
            }
        }
    });
    while arrived.load(Ordering::Relaxed) < 2 {
        block_on(waiter.wait());
    }
    isr.join().expect("no panic");
}

/// What was written before the raise is there after the wait.
pub fn a_raise_publishes() {
    let (notifier, mut waiter) = event();
    let written = Life::begin();
    let isr = thread::spawn(move || {
        written.end();
        notifier.notify_from_task();
    });
    block_on(waiter.wait());
    written.is_over();
    isr.join().expect("no panic");
}

/// As many waits return as there were raises, or fewer.
pub fn raised_once_seen_once() {
    let (notifier, mut waiter) = event();
    let isr = thread::spawn(move || notifier.notify_from_task());
    block_on(waiter.wait());
    assert!(!waiter.take(), "one raise was seen twice");
    isr.join().expect("no panic");
    assert!(!waiter.take(), "one raise was seen twice");
}
