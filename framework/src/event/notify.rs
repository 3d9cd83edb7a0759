//! From ISR to task: a notification that is never lost and never counted twice.

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

/// Makes an event: one end for the ISR, one for the task.
#[must_use]
pub fn event() -> (Notifier, Waiter) {
    let state = Arc::new(State::default());
    (Notifier { state: state.clone() }, Waiter { state })
}

/// The end that raises the event.
#[derive(Debug)]
pub struct Notifier {
    state: Arc<State>,
}

impl Notifier {
    /// Raises the event from an ISR: no lock, no allocation. `InIsr` proves where we are.
    pub fn notify(&self, _isr: &InIsr<'_>) {
        self.raise();
    }

    /// Raises the event from ordinary code (to stop a waiting task, say).
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

/// The end that waits.
#[derive(Debug)]
pub struct Waiter {
    state: Arc<State>,
}

impl Waiter {
    /// Waits until the event has been raised since the last wait that returned.
    pub async fn wait(&mut self) {
        poll_fn(|context| self.poll_wait(context)).await;
    }

    /// As [`wait`](Self::wait), for hand-written futures: ready once for each raise.
    pub fn poll_wait(&mut self, context: &Context<'_>) -> Poll<()> {
        if self.take() {
            return Poll::Ready(());
        }
        self.state.waker.register(context.waker());
        // Raised between the look and the registration: the waker was not there to be called.
        if planted!(self.take(), "no-second-look" => false) { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Takes the event if it has been raised, without waiting.
    pub fn take(&mut self) -> bool {
        let raised = &self.state.raised;
        planted!(
            raised.swap(false, Ordering::AcqRel),
            "look-does-not-acquire" => raised.swap(false, Ordering::Relaxed),
            "look-does-not-take" => raised.load(Ordering::Acquire),
        )
    }

    /// Waits without an executor, for probes: spins until the event is raised or `nanoseconds` have passed.
    /// Returns whether it was raised.
    pub fn wait_blocking(&mut self, clock: &dyn Clock, nanoseconds: u64) -> bool {
        let start = clock.now_ns();
        loop {
            if self.take() {
                return true;
            }
            if clock.now_ns().saturating_sub(start) > nanoseconds {
                return false;
            }
            spin_loop();
        }
    }
}
