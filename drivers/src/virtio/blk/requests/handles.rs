//! What tasks have in hand: a request, the wait for one that the device has, the wait for an idle one.

use alloc::boxed::Box;
use core::mem;
use core::task::{Context, Poll, Waker};

use atomic_waker::AtomicWaker;

use super::{Request, RequestState, Requests};
use crate::virtio::queue::QueueError;

/// A request in the hands of a task. It becomes idle again when this is dropped.
pub(in crate::virtio::blk) struct Held<'a> {
    requests: &'a Requests,
    collector: &'a AtomicWaker,
    request: Option<Box<Request>>,
}

impl<'a> Held<'a> {
    pub(super) fn new(requests: &'a Requests, collector: &'a AtomicWaker, request: Box<Request>) -> Self {
        Self { requests, collector, request: Some(request) }
    }

    pub(in crate::virtio::blk) fn request(&mut self) -> &mut Request {
        self.request.as_mut().unwrap_or_else(|| unreachable!("taken only by submitting and dropping"))
    }

    /// To be handed to the device, when it is waited for.
    pub(in crate::virtio::blk) fn submit(mut self) -> Pending<'a> {
        let Some(request) = self.request.take() else { unreachable!("taken only here and by dropping") };
        Pending { requests: self.requests, collector: self.collector, stage: Stage::Before(request) }
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if let Some(request) = self.request.take() {
            self.requests.inner.lock().put_back(request);
        }
    }
}

/// How far a request has come.
enum Stage {
    /// The device has not got it yet.
    Before(Box<Request>),
    /// The device has it.
    Within(usize),
    /// Somebody else has it.
    After,
}

/// A request that the device has, or gets, and a task waits for. Dropped early, it is left to the device.
pub(in crate::virtio::blk) struct Pending<'a> {
    requests: &'a Requests,
    collector: &'a AtomicWaker,
    stage: Stage,
}

impl<'a> Pending<'a> {
    /// Goes on with the request of a slot, which was [suspended](Self::suspend).
    #[inline]
    pub(in crate::virtio::blk) fn resume(requests: &'a Requests, collector: &'a AtomicWaker, slot: usize) -> Self {
        Self { requests, collector, stage: Stage::Within(slot) }
    }

    /// Returns the slot of a request that is still with the device, for [`resume`](Self::resume).
    #[inline]
    pub(in crate::virtio::blk) fn suspend(mut self) -> Option<usize> {
        match mem::replace(&mut self.stage, Stage::After) {
            Stage::Within(slot) => Some(slot),
            other => {
                self.stage = other;
                None
            }
        }
    }

    /// Waits for the device; gives the request back and the bytes that it wrote.
    pub(in crate::virtio::blk) fn poll(&mut self, context: &Context<'_>) -> Poll<Result<(Held<'a>, u32), QueueError>> {
        let inner = &mut *self.requests.inner.lock();
        let slot = match mem::replace(&mut self.stage, Stage::After) {
            Stage::Before(request) => {
                let slot = request.slot;
                if let Err((error, request)) = inner.queue.submit(request) {
                    inner.put_back(request);
                    return Poll::Ready(Err(error));
                }
                inner.places[slot].state = RequestState::Awaited;
                slot
            }
            Stage::Within(slot) => slot,
            Stage::After => unreachable!("polled after it was ready"),
        };
        self.stage = Stage::Within(slot);
        loop {
            inner.collect(Some(slot))?;
            if let Some((request, written)) = inner.take_done(slot) {
                self.stage = Stage::After;
                inner.flusher = inner.flusher.filter(|other| *other != slot);
                inner.collecting = inner.collecting.filter(|other| *other != slot);
                inner.pass_on(self.collector);
                return Poll::Ready(Ok((Held::new(self.requests, self.collector, request), written)));
            }
            match &mut inner.places[slot].waker {
                Some(waker) if waker.will_wake(context.waker()) => {}
                waker => *waker = Some(context.waker().clone()),
            }
            if inner.is_armed && inner.queue.unkicked() == 0 {
                if inner.collecting.is_some_and(|other| other != slot) {
                    return Poll::Pending;
                }
                self.collector.register(context.waker());
                inner.collecting = Some(slot);
                if inner.queue.has_used() {
                    continue;
                }
                return Poll::Pending;
            }
            match inner.flusher {
                // Others are under way: their tasks may be about to submit more.
                None if inner.queue.in_flight() > 1 => {
                    inner.flusher = Some(slot);
                    context.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Some(other) if other != slot => return Poll::Pending,
                _ => {}
            }
            if !inner.flush(Some((slot, context.waker())), self.collector) {
                return Poll::Pending;
            }
        }
    }
}

impl Pending<'_> {
    /// Leaves the request to the device, or puts it back.
    #[cold]
    fn abandon(&mut self) {
        let slot = match mem::replace(&mut self.stage, Stage::After) {
            Stage::Before(request) => return self.requests.inner.lock().put_back(request),
            Stage::Within(slot) => slot,
            Stage::After => return,
        };
        let inner = &mut *self.requests.inner.lock();
        match inner.take_done(slot) {
            Some((request, _)) => inner.put_back(request),
            None => inner.places[slot].state = RequestState::Abandoned,
        }
        // This task may have been the one that the interrupt wakes, or that the others count on.
        inner.settle(self.collector);
    }
}

impl Drop for Pending<'_> {
    #[inline]
    fn drop(&mut self) {
        if !matches!(self.stage, Stage::After) {
            self.abandon();
        }
    }
}

/// A task that waits for an idle request.
pub(in crate::virtio::blk) struct IdleWaiter<'a> {
    requests: &'a Requests,
    collector: &'a AtomicWaker,
    /// In the list of those who wait.
    waker: Option<Waker>,
}

impl<'a> IdleWaiter<'a> {
    /// Begins to wait, or goes on with a wait that was [suspended](Self::suspend) with that waker.
    pub(in crate::virtio::blk) fn resume(
        requests: &'a Requests,
        collector: &'a AtomicWaker,
        waker: Option<Waker>,
    ) -> Self {
        Self { requests, collector, waker }
    }

    /// Returns the waker that is in the list, for [`resume`](Self::resume).
    pub(in crate::virtio::blk) fn suspend(mut self) -> Option<Waker> {
        self.waker.take()
    }

    pub(in crate::virtio::blk) fn poll(&mut self, context: &Context<'_>) -> Poll<Result<Held<'a>, QueueError>> {
        let inner = &mut *self.requests.inner.lock();
        loop {
            if inner.idle.is_empty() {
                inner.collect(None)?;
            }
            if let Some(request) = inner.idle.pop() {
                if self.waker.take().is_some() {
                    inner.pass_on(self.collector);
                }
                return Poll::Ready(Ok(Held::new(self.requests, self.collector, request)));
            }
            if !inner.idle_waiters.iter().any(|known| known.will_wake(context.waker())) {
                inner.idle_waiters.push(context.waker().clone());
            }
            self.waker = Some(context.waker().clone());
            // All are with the device, and perhaps nobody waits for any of them.
            if inner.is_armed && inner.collecting.is_none() {
                self.collector.register(context.waker());
                if inner.queue.has_used() {
                    continue;
                }
            }
            if inner.is_armed || inner.flusher.is_some() || !inner.flush(None, self.collector) {
                return Poll::Pending;
            }
        }
    }
}

impl Drop for IdleWaiter<'_> {
    fn drop(&mut self) {
        let Some(waker) = self.waker.take() else { return };
        let inner = &mut *self.requests.inner.lock();
        inner.idle_waiters.retain(|other| !other.will_wake(&waker));
        inner.settle(self.collector);
    }
}
