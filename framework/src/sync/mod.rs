//! Locks that interrupts cannot deadlock, and events from ISR to task.

mod cpu;
mod deferred;
mod event;
mod fence;
mod lock;

pub(crate) use cpu::{stack_pointer, ticks};
pub use deferred::{Deferred, deferred};
pub use event::{Notifier, Waiter, event};
pub use fence::device_fence;
pub use lock::{IrqLock, IrqLockGuard};

pub(crate) use fence::enable_port_read;
