//! Notification of tasks by interrupt handlers: events, and deferred work.
//!
//! An event has two ends. The [`Notifier`] is a part of the context that the driver shares with its handler; the
//! [`Waiter`] stays with the driver, and only one task can wait, because waiting takes `&mut`. No notification is lost.
//! Notifications between two waits coalesce into one, as messages do: one call of a handler may stand for several messages.

mod deferred;
mod notify;
mod wake;

pub use deferred::{Deferred, deferred};
pub use notify::{Notifier, Waiter, event};
pub use wake::WakeFlag;
