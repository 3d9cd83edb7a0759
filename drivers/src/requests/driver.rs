//! What a driver adds to [`Requests`] to carry out the requests of a block device.

use core::task::{Context, Poll};

use atomic_waker::AtomicWaker;

use super::queue::RequestQueue;
use super::{IdleWaiter, Pending, Requests};
use crate::interfaces::block::{BlockError, BlockRequest, Ticket};

/// A driver whose device has one queue of requests.
pub(crate) trait RequestDriver {
    /// The queue.
    type Queue: RequestQueue;

    /// Returns the requests.
    fn requests(&self) -> &Requests<Self::Queue>;

    /// Returns the waker of the task that collects finished requests, which the interrupt handler wakes.
    fn collector(&self) -> &AtomicWaker;

    /// Prepares an idle request, to be submitted.
    fn prepare(
        &self,
        prepared: &mut <Self::Queue as RequestQueue>::Request,
        request: &BlockRequest<'_>,
    ) -> Result<(), BlockError>;

    /// Passes on the result of a finished request, with its data.
    fn finish(
        &self,
        finished: &mut <Self::Queue as RequestQueue>::Request,
        report: <Self::Queue as RequestQueue>::Report,
        request: &mut BlockRequest<'_>,
    ) -> Result<(), BlockError>;

    /// Returns the error of a request after an error of the queue, for which the device is quarantined.
    fn quarantine(&self, error: <Self::Queue as RequestQueue>::Error, sector: u64) -> BlockError;

    /// Returns whether the device was removed or has reported a change.
    fn has_change(&self) -> bool;

    /// Handles such a change. After it, no request may finish any more; all are abandoned then.
    fn handle_change(&self);
}

/// Starts a request, or polls one that is pending: [`BlockDevice::poll_request`](crate::interfaces::block::BlockDevice).
#[inline]
pub(crate) fn poll_request<D: RequestDriver>(
    driver: &D,
    request: &mut BlockRequest<'_>,
    context: &mut Context<'_>,
) -> Poll<Result<(), BlockError>> {
    let sector = request.sector;
    let mut pending = match request.ticket.number.take() {
        Some(index) => Pending::resume(driver.requests(), driver.collector(), index),
        None => match begin(driver, request, context) {
            Poll::Ready(begun) => begun?,
            Poll::Pending => return Poll::Pending,
        },
    };
    let Poll::Ready(done) = poll(driver, || pending.poll(context)) else {
        request.ticket.number = pending.suspend();
        return Poll::Pending;
    };
    let (mut finished, report) = done.map_err(|error| driver.quarantine(error, sector))?;
    let result = driver.finish(&mut finished, report, request);
    driver.requests().put_back(finished);
    Poll::Ready(result)
}

/// Takes an idle request and prepares it. It is submitted when it is first polled.
#[inline]
fn begin<'a, D: RequestDriver>(
    driver: &'a D,
    request: &mut BlockRequest<'_>,
    context: &mut Context<'_>,
) -> Poll<Result<Pending<'a, D::Queue>, BlockError>> {
    let (requests, collector) = (driver.requests(), driver.collector());
    let idle = if request.ticket.waker.is_none() { requests.take_idle() } else { None };
    let mut prepared = match idle {
        Some(idle) => idle,
        None => {
            let mut waiter = IdleWaiter::resume(requests, collector, request.ticket.waker.take());
            let Poll::Ready(idle) = poll(driver, || waiter.poll(context)) else {
                request.ticket.waker = waiter.suspend();
                return Poll::Pending;
            };
            idle.map_err(|error| driver.quarantine(error, request.sector))?
        }
    };
    if let Err(error) = driver.prepare(&mut prepared, request) {
        requests.put_back(prepared);
        return Poll::Ready(Err(error));
    }
    Poll::Ready(Ok(Pending::new(requests, collector, prepared)))
}

/// Polls a request. While it is pending, handles changes that the device has reported, one of which may be that it finishes no
/// request any more.
#[inline]
fn poll<T>(driver: &impl RequestDriver, mut poll: impl FnMut() -> Poll<T>) -> Poll<T> {
    loop {
        let outcome = poll();
        if outcome.is_ready() || !driver.has_change() {
            return outcome;
        }
        driver.handle_change();
    }
}

/// Abandons a pending request: [`BlockDevice::abandon`](crate::interfaces::block::BlockDevice::abandon).
pub(crate) fn abandon(driver: &impl RequestDriver, ticket: &mut Ticket) {
    let (requests, collector) = (driver.requests(), driver.collector());
    if let Some(index) = ticket.number.take() {
        drop(Pending::resume(requests, collector, index));
    }
    if let Some(waker) = ticket.waker.take() {
        drop(IdleWaiter::resume(requests, collector, Some(waker)));
    }
}
