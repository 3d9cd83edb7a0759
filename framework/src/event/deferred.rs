//! Work that an ISR asks for and that runs outside it: once, soon, however often it was asked for meanwhile.
//!
//! What Windows calls a DPC, without a queue of its own: the handle goes into the state shared with the ISR, the
//! future goes to whatever executor there is, and asking allocates nothing.

use core::convert::Infallible;

use super::notify::{Notifier, event};
use crate::interrupt::InIsr;

/// Asks for the work. Goes into the state that a driver shares with its ISR.
#[derive(Debug)]
pub struct Deferred {
    wanted: Notifier,
}

impl Deferred {
    /// Asks from an ISR: no lock, no allocation. Asking again before the work began changes nothing; asking while it
    /// runs makes it run once more.
    pub fn request(&self, isr: &InIsr<'_>) {
        self.wanted.notify(isr);
    }

    /// Asks from ordinary code.
    pub fn request_from_task(&self) {
        self.wanted.notify_from_task();
    }
}

/// Splits `work` into a handle by which an ISR asks for it, and the future that does it, which never ends.
///
/// ```
/// use switchboard::event::deferred;
/// let (handle, work) = deferred(|| { /* reap the ring */ });
/// # let mut work = core::pin::pin!(work);
/// # let mut context = core::task::Context::from_waker(core::task::Waker::noop());
/// handle.request_from_task();
/// assert!(work.as_mut().poll(&mut context).is_pending());
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
