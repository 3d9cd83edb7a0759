//! Locks that interrupts cannot deadlock, and events from ISR to task.

mod event;
mod lock;

pub use event::{Notifier, Waiter, event};
pub use lock::{IrqLock, IrqLockGuard};
