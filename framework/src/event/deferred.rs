//! Deferred work: work that an interrupt handler requests and that runs in a task, once for any number of requests.
//!
//! This is the DPC of Windows and the tasklet or threaded handler of Linux, without a queue of its own: the handle goes into
//! the context of the handler, the future goes to any executor, and a request allocates nothing.

use core::convert::Infallible;

use super::notify::{Notifier, event};
use crate::interrupt::InIsr;

/// The handle that requests deferred work; a part of the context that a driver shares with its handler. See [`deferred`].
#[derive(Debug)]
pub struct Deferred {
    wanted: Notifier,
}

impl Deferred {
    /// Requests the work from an interrupt handler, without a lock or an allocation. Requests before the work begins coalesce;
    /// a request while it runs makes it run once more.
    pub fn request(&self, isr: &InIsr<'_>) {
        self.wanted.notify(isr);
    }

    /// Requests the work from ordinary code.
    pub fn request_from_task(&self) {
        self.wanted.notify_from_task();
    }
}

/// Returns a handle that requests `work`, and the future that runs it, which never ends.
///
/// ```
/// use std::sync::atomic::{AtomicUsize, Ordering};
/// use switchboard::event::deferred;
///
/// let reaped = AtomicUsize::new(0);
/// let (handle, work) = deferred(|| {
///     reaped.fetch_add(1, Ordering::Relaxed);
/// });
/// # let mut work = core::pin::pin!(work);
/// # let mut context = core::task::Context::from_waker(core::task::Waker::noop());
///
/// // The handler calls `handle.request(isr)`; other code calls:
/// handle.request_from_task();
/// handle.request_from_task();
/// // An executor polls the future.
/// assert!(work.as_mut().poll(&mut context).is_pending());
/// assert_eq!(reaped.load(Ordering::Relaxed), 1);
/// ```
pub fn deferred(mut work: impl FnMut()) -> (Deferred, impl Future<Output = Infallible>) {
    let (wanted, mut waiter) = event();
    let run = async move {
        loop {
            waiter.wait().await;
            work();
        }
    };
    (Deferred { wanted }, run)
}

#[cfg(test)]
mod tests {
    use core::cell::Cell;
    use core::pin::pin;
    use core::task::{Context, Waker};

    use super::deferred;

    #[test]
    fn runs_once_for_any_number_of_requests() {
        let runs = Cell::new(0);
        let (handle, work) = deferred(|| runs.set(runs.get() + 1));
        let (mut work, mut context) = (pin!(work), Context::from_waker(Waker::noop()));
        let mut poll = |requests: usize| {
            (0..requests).for_each(|_| handle.request_from_task());
            assert!(work.as_mut().poll(&mut context).is_pending());
            runs.get()
        };
        assert_eq!([poll(0), poll(1), poll(0), poll(5), poll(0)], [0, 1, 1, 2, 2]);
    }
}
