//! Events: a flag that an interrupt handler raises and that one task waits for.

use alloc::sync::Arc;
use core::future::poll_fn;
use core::task::{Context, Poll};

use crate::interrupt::InIsr;
use crate::platform::Clock;
use crate::sync::primitives::{AtomicBool, AtomicWaker, Ordering, planted, spin_loop};

#[derive(Debug, Default)]
struct State {
    raised: AtomicBool,
    waker: AtomicWaker,
}

/// Returns the two ends of a new event: one for the interrupt handler, one for the task.
///
/// ```
/// use switchboard::event::event;
///
/// let (notifier, mut waiter) = event();
/// assert!(!waiter.take());
/// notifier.notify_from_task();
/// notifier.notify_from_task();
/// assert!(waiter.take());
/// assert!(!waiter.take(), "both notifications were taken as one");
/// ```
#[must_use]
pub fn event() -> (Notifier, Waiter) {
    let state = Arc::new(State::default());
    (Notifier { state: state.clone() }, Waiter { state })
}

/// The end of an event that raises it; a part of the context that a driver shares with its handler.
///
/// ```
/// use std::sync::Arc;
/// use switchboard::event::{Notifier, event};
/// use switchboard::interrupt::{Claim, InIsr, LineIsr};
/// # use switchboard_testing::{FakeFunction, FakeMachine};
///
/// struct Shared {
///     received: Notifier,
/// }
/// impl LineIsr for Shared {
///     fn on_line(&self, isr: &InIsr<'_>) -> Claim {
///         // .. reads and acknowledges the interrupt status of the device ..
///         self.received.notify(isr);
///         Claim::Mine
///     }
/// }
///
/// # let fake = FakeMachine::new([FakeFunction::new(0x1234, 0x11e8).pin(1, 11)]);
/// # let irq = fake.machine().take_all().remove(0).claim()?.irq;
/// let (received, mut waiter) = event();
/// let line = irq.grant_line()?.register(Arc::new(Shared { received })).unmask();
/// # assert!(!waiter.take());
/// # fake.assert_line(11);
/// assert!(waiter.take());
/// # drop(line);
/// # Ok::<(), switchboard::driver::ProbeError>(())
/// ```
#[derive(Debug)]
pub struct Notifier {
    state: Arc<State>,
}

impl Notifier {
    /// Raises the event from an interrupt handler, without a lock or an allocation.
    pub fn notify(&self, _isr: &InIsr<'_>) {
        self.raise();
    }

    /// Raises the event from ordinary code (for example, to stop a waiting task).
    pub fn notify_from_task(&self) {
        self.raise();
    }

    fn raise(&self) {
        let State { raised, waker } = &*self.state;
        planted!("woken-before-raised" => waker.wake());
        raised.store(true, Ordering::Release);
        planted!(waker.wake(), "woken-before-raised" => ());
    }
}

/// The end of an event that waits for it.
///
/// ```
/// use core::pin::pin;
/// use core::task::{Context, Waker};
/// use switchboard::event::event;
///
/// let (notifier, mut waiter) = event();
/// let mut task = pin!(async move { waiter.wait().await });
/// # let mut context = Context::from_waker(Waker::noop());
/// assert!(task.as_mut().poll(&mut context).is_pending());
/// notifier.notify_from_task();
/// assert!(task.as_mut().poll(&mut context).is_ready());
/// ```
#[derive(Debug)]
pub struct Waiter {
    state: Arc<State>,
}

impl Waiter {
    /// Waits until the event is raised. Returns at once when it was raised since the last wait returned.
    pub async fn wait(&mut self) {
        poll_fn(|context| self.poll_wait(context)).await;
    }

    /// Polls for the event, as [`wait`](Self::wait) does, for hand-written futures.
    pub fn poll_wait(&mut self, context: &Context<'_>) -> Poll<()> {
        if self.take() {
            return Poll::Ready(());
        }
        self.state.waker.register(context.waker());
        // The event may have been raised after the first check and before the registration, when there was no waker to call.
        if planted!(self.take(), "no-second-look" => false) { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Clears the event without waiting. Returns whether it was raised.
    pub fn take(&mut self) -> bool {
        let raised = &self.state.raised;
        planted!(
            raised.swap(false, Ordering::AcqRel),
            "look-does-not-acquire" => raised.swap(false, Ordering::Relaxed),
            "look-does-not-take" => raised.load(Ordering::Acquire),
        )
    }

    /// Waits without an executor, as a probe does: spins until the event is raised or `timeout_ns` nanoseconds have passed.
    /// Returns whether it was raised.
    ///
    /// ```
    /// # let fake = switchboard_testing::FakeMachine::new([switchboard_testing::FakeFunction::new(0x1234, 0x11e8)]);
    /// # let clock = fake.machine().clock();
    /// let (notifier, mut waiter) = switchboard::event::event();
    /// assert!(!waiter.wait_blocking(clock, 100_000), "a timeout");
    /// # notifier.notify_from_task();
    /// assert!(waiter.wait_blocking(clock, 100_000));
    /// ```
    pub fn wait_blocking(&mut self, clock: &dyn Clock, timeout_ns: u64) -> bool {
        let start = clock.now_ns();
        loop {
            if self.take() {
                return true;
            }
            if clock.now_ns().saturating_sub(start) > timeout_ns {
                // A virtual CPU that did not run for longer than the timeout takes its interrupt late, and before this.
                return self.take();
            }
            spin_loop();
        }
    }
}
