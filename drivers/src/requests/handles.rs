//! The handles of tasks on requests: one that is in flight, and the wait for an idle one.

use alloc::boxed::Box;
use core::mem;
use core::task::{Context, Poll, Waker};

use atomic_waker::AtomicWaker;

use super::queue::{Indexed, RequestQueue};
use super::{RequestState, Requests};

/// The stage of a pending request.
enum Stage<R> {
    /// Not submitted yet.
    Prepared(Box<R>),
    /// In the queue.
    InFlight(usize),
    /// Taken, or owned by another handle.
    Finished,
}

/// A finished request with what the device reports of it, or the error of the queue.
type PollOutcome<Q> =
    Result<(Box<<Q as RequestQueue>::Request>, <Q as RequestQueue>::Report), <Q as RequestQueue>::Error>;

/// A request that a task waits for. Dropped before it is done, it is left to the device.
pub(crate) struct Pending<'a, Q: RequestQueue> {
    requests: &'a Requests<Q>,
    collector: &'a AtomicWaker,
    stage: Stage<Q::Request>,
}

impl<'a, Q: RequestQueue> Pending<'a, Q> {
    /// Returns a handle which submits the request when it is first polled.
    #[inline]
    pub(crate) fn new(requests: &'a Requests<Q>, collector: &'a AtomicWaker, request: Box<Q::Request>) -> Self {
        Self { requests, collector, stage: Stage::Prepared(request) }
    }

    /// Returns a handle on the request of an index which was [suspended](Self::suspend).
    #[inline]
    pub(crate) fn resume(requests: &'a Requests<Q>, collector: &'a AtomicWaker, index: usize) -> Self {
        Self { requests, collector, stage: Stage::InFlight(index) }
    }

    /// Returns the index of a request in flight, for [`resume`](Self::resume).
    #[inline]
    pub(crate) fn suspend(mut self) -> Option<usize> {
        match mem::replace(&mut self.stage, Stage::Finished) {
            Stage::InFlight(index) => Some(index),
            other => {
                self.stage = other;
                None
            }
        }
    }

    /// Polls the device. Returns the request, and what the device reported.
    pub(crate) fn poll(&mut self, context: &Context<'_>) -> Poll<PollOutcome<Q>> {
        let inner = &mut *self.requests.inner.lock();
        let index = match mem::replace(&mut self.stage, Stage::Finished) {
            Stage::Prepared(request) => {
                let index = request.index();
                if let Err((error, request)) = inner.queue.submit(request) {
                    inner.put_back(request);
                    return Poll::Ready(Err(error));
                }
                inner.entries[index].state = RequestState::Awaited;
                index
            }
            Stage::InFlight(index) => index,
            Stage::Finished => unreachable!("polled after it was ready"),
        };
        self.stage = Stage::InFlight(index);
        loop {
            inner.collect(Some(index))?;
            if let Some((request, report)) = inner.take_done(index) {
                self.stage = Stage::Finished;
                inner.flusher = inner.flusher.filter(|other| *other != index);
                inner.collecting = inner.collecting.filter(|other| *other != index);
                inner.pass_on(self.collector);
                return Poll::Ready(Ok((request, report)));
            }
            match &mut inner.entries[index].waker {
                Some(waker) if waker.will_wake(context.waker()) => {}
                waker => *waker = Some(context.waker().clone()),
            }
            if inner.is_interrupt_requested && inner.queue.unkicked() == 0 {
                if inner.collecting.is_some_and(|other| other != index) {
                    return Poll::Pending;
                }
                self.collector.register(context.waker());
                inner.collecting = Some(index);
                if inner.queue.has_used() {
                    continue;
                }
                return Poll::Pending;
            }
            match inner.flusher {
                // Other requests are in flight, whose tasks may be about to submit more.
                None if inner.queue.in_flight() > 1 => {
                    inner.flusher = Some(index);
                    context.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Some(other) if other != index => return Poll::Pending,
                _ => {}
            }
            if !inner.flush(Some((index, context.waker())), self.collector) {
                return Poll::Pending;
            }
        }
    }
}

impl<Q: RequestQueue> Pending<'_, Q> {
    /// Leaves the request to the device, or makes it idle.
    #[cold]
    fn abandon(&mut self) {
        let index = match mem::replace(&mut self.stage, Stage::Finished) {
            Stage::Prepared(request) => return self.requests.inner.lock().put_back(request),
            Stage::InFlight(index) => index,
            Stage::Finished => return,
        };
        let inner = &mut *self.requests.inner.lock();
        match inner.take_done(index) {
            Some((request, _)) => inner.put_back(request),
            None => inner.entries[index].state = RequestState::Abandoned,
        }
        // This task may have been the collector or the flusher.
        inner.settle(self.collector);
    }
}

impl<Q: RequestQueue> Drop for Pending<'_, Q> {
    #[inline]
    fn drop(&mut self) {
        if !matches!(self.stage, Stage::Finished) {
            self.abandon();
        }
    }
}

/// A task that waits for an idle request.
pub(crate) struct IdleWaiter<'a, Q: RequestQueue> {
    requests: &'a Requests<Q>,
    collector: &'a AtomicWaker,
    /// The waker in the list of tasks that wait.
    waker: Option<Waker>,
}

impl<'a, Q: RequestQueue> IdleWaiter<'a, Q> {
    /// Returns a new wait, or one that was [suspended](Self::suspend) with `waker`.
    pub(crate) fn resume(requests: &'a Requests<Q>, collector: &'a AtomicWaker, waker: Option<Waker>) -> Self {
        Self { requests, collector, waker }
    }

    /// Returns the waker in the list, for [`resume`](Self::resume).
    pub(crate) fn suspend(mut self) -> Option<Waker> {
        self.waker.take()
    }

    /// Polls for an idle request.
    pub(crate) fn poll(&mut self, context: &Context<'_>) -> Poll<Result<Box<Q::Request>, Q::Error>> {
        let inner = &mut *self.requests.inner.lock();
        loop {
            if inner.idle.is_empty() {
                inner.collect(None)?;
            }
            if let Some(request) = inner.idle.pop() {
                if self.waker.take().is_some() {
                    inner.pass_on(self.collector);
                }
                return Poll::Ready(Ok(request));
            }
            if !inner.idle_waiters.iter().any(|known| known.will_wake(context.waker())) {
                inner.idle_waiters.push(context.waker().clone());
            }
            self.waker = Some(context.waker().clone());
            // All requests are in flight, and perhaps no task waits for any of them.
            if inner.is_interrupt_requested && inner.collecting.is_none() {
                self.collector.register(context.waker());
                if inner.queue.has_used() {
                    continue;
                }
            }
            if inner.is_interrupt_requested || inner.flusher.is_some() || !inner.flush(None, self.collector) {
                return Poll::Pending;
            }
        }
    }
}

impl<Q: RequestQueue> Drop for IdleWaiter<'_, Q> {
    fn drop(&mut self) {
        let Some(waker) = self.waker.take() else { return };
        let inner = &mut *self.requests.inner.lock();
        inner.idle_waiters.retain(|other| !other.will_wake(&waker));
        inner.settle(self.collector);
    }
}
