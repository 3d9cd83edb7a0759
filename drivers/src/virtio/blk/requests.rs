//! The requests of a disk: which are idle, which the device has, and who waits for them.
//!
//! Any number of tasks wait, each for a request of its own. The interrupt cannot know whose is done, so it wakes one of
//! them, the *collector*, which takes back all that the device is done with and wakes those whose it is. Whoever is
//! polled becomes the collector; who is ready or gives up leaves that to another. A task that gives up leaves its
//! request to the device, and whoever collects next makes it idle again.
//!
//! With several requests under way the device is told of new ones, and asked for the next interrupt, once for all
//! tasks that had their turn: the first of them comes back for that when the others are through.

#![expect(clippy::vec_box, reason = "requests change hands with each use, and are large")]

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;
use core::mem;
use core::task::{Context, Poll, Waker};

use atomic_waker::AtomicWaker;
use spin::Mutex;

use super::request::Request;
use crate::virtio::queue::{Queue, QueueError};

/// Where a request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// With nobody, or in the hands of a task.
    Idle,
    /// With the device; a task waits for it.
    Awaited,
    /// With the device; its task has gone.
    Abandoned,
    /// Back from the device, and here; its task will take it.
    Done,
}

/// What is known of one request.
#[derive(Debug)]
struct Place {
    state: State,
    /// While it is done: the request, and the bytes that the device wrote.
    request: Option<Box<Request>>,
    written: u32,
    /// Of the task that waits, while one does; kept, since the next one is often the same.
    waker: Option<Waker>,
}

/// All requests of a disk. Only tasks take the lock, each for a few dozen instructions, and interrupts stay on: one that
/// comes between a look at the queue and the registration of a waker wakes nobody, so another look has to follow.
pub(super) struct Requests {
    inner: Mutex<Inner>,
}

struct Inner {
    queue: Queue<Box<Request>>,
    places: Box<[Place]>,
    idle: Vec<Box<Request>>,
    /// Tasks that wait for an idle request. Keeps its memory.
    hopeful: Vec<Waker>,
    /// The next used request raises an interrupt.
    is_armed: bool,
    /// The request whose task the interrupt wakes. It may have done so already, when an interrupt came late for what was
    /// taken back before: so that task looks after itself when it is polled.
    collecting: Option<usize>,
    /// The request whose task comes back to tell the device of new requests, and to ask for the next interrupt.
    flusher: Option<usize>,
}

impl Requests {
    pub(super) fn new(queue: Queue<Box<Request>>, requests: Vec<Box<Request>>) -> Self {
        let place = |_| Place { state: State::Idle, request: None, written: 0, waker: None };
        let places = requests.iter().map(place).collect();
        let inner = Inner {
            queue,
            places,
            idle: requests,
            hopeful: Vec::new(),
            is_armed: false,
            collecting: None,
            flusher: None,
        };
        Self { inner: Mutex::new(inner) }
    }

    /// An idle request, if there is one now.
    #[inline]
    pub(super) fn take_idle<'a>(&'a self, collector: &'a AtomicWaker) -> Option<Held<'a>> {
        let request = self.inner.lock().idle.pop()?;
        Some(Held { requests: self, collector, request: Some(request) })
    }

    /// Waits for an idle request.
    pub(super) fn idle<'a>(&'a self, collector: &'a AtomicWaker) -> Hopeful<'a> {
        Hopeful { requests: self, collector, waker: None }
    }

    pub(super) fn kicks(&self) -> u64 {
        self.inner.lock().queue.kicks()
    }

    /// Gives the queue up; all who wait hear of it.
    pub(super) fn abandon(&self) {
        let inner = &mut *self.inner.lock();
        inner.queue.abandon();
        inner.wake_all();
    }
}

impl Inner {
    /// Takes back all that the device is done with, and wakes those whose it is; but for the task of `own`, which asks.
    fn collect(&mut self, own: Option<usize>) -> Result<(), QueueError> {
        while self.queue.has_used() {
            match self.queue.complete() {
                Ok(None) => break,
                Ok(Some((request, written))) => {
                    self.is_armed = false;
                    let slot = request.slot;
                    let place = &mut self.places[slot];
                    if place.state != State::Awaited {
                        place.state = State::Idle;
                        self.put_back(request);
                        continue;
                    }
                    (place.state, place.written) = (State::Done, written);
                    place.request = Some(request);
                    if own != Some(slot)
                        && let Some(waker) = &place.waker
                    {
                        waker.wake_by_ref();
                    }
                }
                Err(error) => {
                    // Nothing comes back any more: let everyone hear of it.
                    self.wake_all();
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// Tells the device of what was submitted, and has its next interrupt wake the task of `own`, or else anybody who
    /// waits. Says whether something was used meanwhile: then no interrupt may come for it.
    fn flush(&mut self, own: Option<(usize, &Waker)>, collector: &AtomicWaker) -> bool {
        self.flusher = None;
        self.queue.kick();
        if self.queue.in_flight() == 0 {
            return false;
        }
        // The waker first, then the request for an interrupt, then the last look: in any other order the device
        // could finish in between and wake nobody.
        let chosen = own.or_else(|| self.waiting());
        let (slot, waker) = (chosen.map(|(slot, _)| slot), chosen.map(|(_, waker)| waker));
        if let Some(waker) = waker.or_else(|| self.hopeful.first()) {
            collector.register(waker);
        }
        self.collecting = slot;
        let is_late = self.queue.enable_notifications();
        self.is_armed = !is_late;
        is_late
    }

    /// A request that a task waits for, and its waker.
    fn waiting(&self) -> Option<(usize, &Waker)> {
        let mut awaited = self.places.iter().enumerate().filter(|(_, place)| place.state == State::Awaited);
        awaited.find_map(|(slot, place)| Some((slot, place.waker.as_ref()?)))
    }

    /// The task of a request is through: what it would have done for the others, another does.
    fn pass_on(&mut self, collector: &AtomicWaker) {
        if self.flusher.is_some() || self.is_armed && self.collecting.is_some() || self.queue.in_flight() == 0 {
            return;
        }
        match self.waiting() {
            Some((slot, waker)) if self.is_armed => {
                collector.register(waker);
                if self.queue.has_used() {
                    waker.wake_by_ref();
                }
                self.collecting = Some(slot);
            }
            Some((slot, waker)) => {
                waker.wake_by_ref();
                self.flusher = Some(slot);
            }
            None => self.settle(collector),
        }
    }

    /// Flushes until nothing was used meanwhile.
    fn settle(&mut self, collector: &AtomicWaker) {
        // An error is for those who wait, and they were woken.
        while self.flush(None, collector) && self.collect(None).is_ok() {}
    }

    /// The request of `slot`, if the device is done with it.
    fn take_done(&mut self, slot: usize) -> Option<(Box<Request>, u32)> {
        let place = &mut self.places[slot];
        if place.state != State::Done {
            return None;
        }
        place.state = State::Idle;
        Some((place.request.take()?, place.written))
    }

    fn put_back(&mut self, request: Box<Request>) {
        self.idle.push(request);
        // All: the one that gets it may be gone by then.
        self.hopeful.drain(..).for_each(Waker::wake);
    }

    fn wake_all(&mut self) {
        self.hopeful.drain(..).for_each(Waker::wake);
        for place in &mut self.places {
            if place.state == State::Awaited
                && let Some(waker) = place.waker.take()
            {
                waker.wake();
            }
        }
    }
}

/// A request in the hands of a task. It becomes idle again when this is dropped.
pub(super) struct Held<'a> {
    requests: &'a Requests,
    collector: &'a AtomicWaker,
    request: Option<Box<Request>>,
}

impl<'a> Held<'a> {
    pub(super) fn request(&mut self) -> &mut Request {
        self.request.as_mut().unwrap_or_else(|| unreachable!("taken only by submitting and dropping"))
    }

    /// To be handed to the device, when it is waited for.
    pub(super) fn submit(mut self) -> Pending<'a> {
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
pub(super) struct Pending<'a> {
    requests: &'a Requests,
    collector: &'a AtomicWaker,
    stage: Stage,
}

impl<'a> Pending<'a> {
    /// Waits for the device; gives the request back and the bytes that it wrote.
    pub(super) fn poll(&mut self, context: &Context<'_>) -> Poll<Result<(Held<'a>, u32), QueueError>> {
        let inner = &mut *self.requests.inner.lock();
        let slot = match mem::replace(&mut self.stage, Stage::After) {
            Stage::Before(request) => {
                let slot = request.slot;
                if let Err((error, request)) = inner.queue.submit(request) {
                    inner.put_back(request);
                    return Poll::Ready(Err(error));
                }
                inner.places[slot].state = State::Awaited;
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
                let held = Held { requests: self.requests, collector: self.collector, request: Some(request) };
                return Poll::Ready(Ok((held, written)));
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

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        let slot = match mem::replace(&mut self.stage, Stage::After) {
            Stage::Before(request) => return self.requests.inner.lock().put_back(request),
            Stage::Within(slot) => slot,
            Stage::After => return,
        };
        let inner = &mut *self.requests.inner.lock();
        match inner.take_done(slot) {
            Some((request, _)) => inner.put_back(request),
            None => inner.places[slot].state = State::Abandoned,
        }
        // This task may have been the one that the interrupt wakes, or that the others count on.
        inner.settle(self.collector);
    }
}

/// A task that waits for an idle request.
pub(super) struct Hopeful<'a> {
    requests: &'a Requests,
    collector: &'a AtomicWaker,
    /// In the list of those who wait.
    waker: Option<Waker>,
}

impl<'a> Hopeful<'a> {
    pub(super) fn poll(&mut self, context: &Context<'_>) -> Poll<Result<Held<'a>, QueueError>> {
        let inner = &mut *self.requests.inner.lock();
        loop {
            if inner.idle.is_empty() {
                inner.collect(None)?;
            }
            if let Some(request) = inner.idle.pop() {
                if self.waker.take().is_some() {
                    inner.pass_on(self.collector);
                }
                return Poll::Ready(Ok(Held {
                    requests: self.requests,
                    collector: self.collector,
                    request: Some(request),
                }));
            }
            if !inner.hopeful.iter().any(|known| known.will_wake(context.waker())) {
                inner.hopeful.push(context.waker().clone());
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

impl Drop for Hopeful<'_> {
    fn drop(&mut self) {
        let Some(waker) = self.waker.take() else { return };
        let inner = &mut *self.requests.inner.lock();
        inner.hopeful.retain(|other| !other.will_wake(&waker));
        inner.settle(self.collector);
    }
}

impl fmt::Debug for Requests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Requests").field("queue", &self.inner.lock().queue).finish_non_exhaustive()
    }
}
