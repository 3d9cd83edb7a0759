//! The requests of a disk: which are idle, which the device has, and who waits for them.
//!
//! Any number of tasks wait, each for a request of its own; any of them, when it is polled, collects whatever the device
//! has finished. So the interrupt wakes them all: it cannot know whose request is done, and a task that it woke
//! alone might be gone by then. A task that gives up leaves its request to the device, and whoever collects next
//! makes it idle again.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;
use core::mem;
use core::task::{Context, Poll, Waker};

use switchboard::sync::IrqLock;

use super::request::Request;
use crate::virtio::queue::{Queue, QueueError};

/// Tasks that wait for the device. Keeps its memory, so waiting allocates only when more tasks wait than ever before.
#[derive(Debug)]
pub(super) struct Waiting(IrqLock<Vec<Waker>>);

impl Waiting {
    pub(super) fn new(count: usize) -> Self {
        Self(IrqLock::new(Vec::with_capacity(count)))
    }

    pub(super) fn wake_all(&self) {
        self.0.lock().drain(..).for_each(Waker::wake);
    }

    fn add(&self, waker: &Waker) {
        let mut list = self.0.lock();
        if !list.iter().any(|known| known.will_wake(waker)) {
            list.push(waker.clone());
        }
    }
}

/// Where a request is.
#[derive(Debug)]
enum Place {
    /// With nobody, or in the hands of a task.
    Idle,
    /// With the device; a task waits for it.
    Awaited,
    /// With the device; its task has gone.
    Abandoned,
    /// Back from the device, with the bytes that it wrote.
    Done(Request, u32),
}

/// All requests of a disk.
pub(super) struct Requests {
    inner: IrqLock<Inner>,
}

struct Inner {
    queue: Queue<Request>,
    places: Box<[Place]>,
    idle: Vec<Request>,
}

impl Requests {
    pub(super) fn new(queue: Queue<Request>, requests: Vec<Request>) -> Self {
        let places = requests.iter().map(|_| Place::Idle).collect();
        Self { inner: IrqLock::new(Inner { queue, places, idle: requests }) }
    }

    /// An idle request, as soon as there is one.
    pub(super) fn poll_idle<'a>(
        &'a self,
        context: &Context<'_>,
        waiting: &'a Waiting,
    ) -> Poll<Result<Held<'a>, QueueError>> {
        let request = self.poll(context, waiting, |inner| inner.idle.pop());
        request.map_ok(|request| Held { requests: self, waiting, request: Some(request) })
    }

    pub(super) fn kicks(&self) -> u64 {
        self.inner.lock().queue.kicks()
    }

    /// Gives the queue up; all who wait hear of it.
    pub(super) fn abandon(&self, waiting: &Waiting) {
        self.inner.lock().queue.abandon();
        waiting.wake_all();
    }

    /// What `take` finds, as soon as it finds something.
    fn poll<R>(
        &self,
        context: &Context<'_>,
        waiting: &Waiting,
        mut take: impl FnMut(&mut Inner) -> Option<R>,
    ) -> Poll<Result<R, QueueError>> {
        let mut inner = self.inner.lock();
        let mut is_waiting = false;
        loop {
            inner.collect(waiting)?;
            if let Some(found) = take(&mut inner) {
                return Poll::Ready(Ok(found));
            }
            // The waker first, then the request for an interrupt, then the last look: in any other order the device
            // could finish in between and wake nobody.
            if !mem::replace(&mut is_waiting, true) {
                waiting.add(context.waker());
            }
            if !inner.queue.enable_notifications() {
                return Poll::Pending;
            }
        }
    }

    fn put_back(&self, request: Request, waiting: &Waiting) {
        self.inner.lock().put_back(request, waiting);
    }
}

impl Inner {
    /// Takes back all that the device is done with.
    fn collect(&mut self, waiting: &Waiting) -> Result<(), QueueError> {
        loop {
            match self.queue.complete() {
                Ok(None) => return Ok(()),
                Ok(Some((request, written))) => {
                    let slot = request.slot;
                    match mem::replace(&mut self.places[slot], Place::Idle) {
                        Place::Abandoned => self.put_back(request, waiting),
                        _ => self.places[slot] = Place::Done(request, written),
                    }
                    // Not only one's own: whoever else waits is to look.
                    waiting.wake_all();
                }
                Err(error) => {
                    // Nothing comes back any more: let everyone hear of it.
                    waiting.wake_all();
                    return Err(error);
                }
            }
        }
    }

    /// The request of `slot`, if the device is done with it.
    fn take_done(&mut self, slot: usize) -> Option<(Request, u32)> {
        match mem::replace(&mut self.places[slot], Place::Idle) {
            Place::Done(request, written) => Some((request, written)),
            other => {
                self.places[slot] = other;
                None
            }
        }
    }

    fn put_back(&mut self, request: Request, waiting: &Waiting) {
        self.idle.push(request);
        if self.idle.len() == 1 {
            // It was the lack of this one that tasks may be waiting for.
            waiting.wake_all();
        }
    }
}

/// A request in the hands of a task. It becomes idle again when this is dropped.
pub(super) struct Held<'a> {
    requests: &'a Requests,
    waiting: &'a Waiting,
    request: Option<Request>,
}

impl<'a> Held<'a> {
    pub(super) fn request(&mut self) -> &mut Request {
        self.request.as_mut().unwrap_or_else(|| unreachable!("taken only by submitting and dropping"))
    }

    /// Hands it to the device.
    pub(super) fn submit(mut self) -> Result<Pending<'a>, QueueError> {
        let Some(request) = self.request.take() else { unreachable!("taken only here and by dropping") };
        let (requests, waiting, slot) = (self.requests, self.waiting, request.slot);
        let mut inner = requests.inner.lock();
        if let Err((error, request)) = inner.queue.submit(request) {
            drop(inner);
            self.request = Some(request);
            return Err(error);
        }
        inner.places[slot] = Place::Awaited;
        inner.queue.kick();
        Ok(Pending { requests, waiting, slot: Some(slot) })
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if let Some(request) = self.request.take() {
            self.requests.put_back(request, self.waiting);
        }
    }
}

/// A request that the device has and a task waits for. Dropped early, it is left to the device.
pub(super) struct Pending<'a> {
    requests: &'a Requests,
    waiting: &'a Waiting,
    slot: Option<usize>,
}

impl<'a> Pending<'a> {
    /// Waits for the device; gives the request back and the bytes that it wrote.
    pub(super) fn poll(&mut self, context: &Context<'_>) -> Poll<Result<(Held<'a>, u32), QueueError>> {
        let Some(slot) = self.slot else { unreachable!("polled after it was ready") };
        let (requests, waiting) = (self.requests, self.waiting);
        let done = requests.poll(context, waiting, |inner| inner.take_done(slot));
        done.map_ok(|(request, written)| {
            self.slot = None;
            (Held { requests, waiting, request: Some(request) }, written)
        })
    }
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        let Some(slot) = self.slot else { return };
        let mut inner = self.requests.inner.lock();
        match inner.take_done(slot) {
            Some((request, _)) => inner.put_back(request, self.waiting),
            None => inner.places[slot] = Place::Abandoned,
        }
    }
}

impl fmt::Debug for Requests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Requests").field("queue", &self.inner.lock().queue).finish_non_exhaustive()
    }
}
