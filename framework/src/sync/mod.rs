//! Locks that interrupts cannot deadlock, and events from ISR to task.

mod deferred;
mod event;
mod fence;
mod lock;

pub use deferred::{Deferred, deferred};
pub use event::{Notifier, Waiter, event};
pub use fence::device_fence;
pub use lock::{IrqLock, IrqLockGuard};

pub(crate) use fence::enable_port_read;
