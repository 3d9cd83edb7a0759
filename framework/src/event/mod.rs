//! From ISR to task: a notification that is never lost and never counted twice.
//!
//! An event has two ends. The [`Notifier`] goes into the state that the driver shares with its ISR; the
//! [`Waiter`] stays with the driver, and only one task can wait, because waiting takes `&mut`. Notifications
//! between two waits coalesce into one, as messages do (pci-facts: several messages may become one call).

mod deferred;
mod notify;

pub use deferred::{Deferred, deferred};
pub use notify::{Notifier, Waiter, event};
