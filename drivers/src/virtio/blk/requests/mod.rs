//! The requests of a disk: which are idle, which the device has, and who waits for them.
//!
//! Any number of tasks wait, each for a request of its own. The interrupt cannot know whose is done, so it wakes one of
//! them, the *collector*, which takes back all that the device is done with and wakes those whose it is. Whoever is
//! polled becomes the collector; who is ready or gives up leaves that to another. A task that gives up leaves its
//! request to the device, and whoever collects next makes it idle again.
//!
//! With several requests under way the device is told of new ones, and asked for the next interrupt, once for all
//! tasks that had their turn: the first of them comes back for that when the others are through. While polling is faster
//! than interrupts it comes back all the time, and asks for none.

#![expect(clippy::vec_box, reason = "requests change hands with each use, and are large")]

mod handles;

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;
use core::task::Waker;

use atomic_waker::AtomicWaker;
use spin::Mutex;
use switchboard::platform::Clock;

use self::handles::Held;
pub(super) use self::handles::{IdleWaiter, Pending};
use super::request::Request;
use crate::adaptive_polling::AdaptivePolling;
use crate::virtio::queue::{Queue, QueueError};

/// Where a request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RequestState {
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
    state: RequestState,
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
    idle_waiters: Vec<Waker>,
    /// The next used request raises an interrupt.
    is_armed: bool,
    /// The request whose task the interrupt wakes. It may have done so already, when an interrupt came late for what was
    /// taken back before: so that task looks after itself when it is polled.
    collecting: Option<usize>,
    /// The request whose task comes back to tell the device of new requests, and to ask for the next interrupt.
    flusher: Option<usize>,
    /// Whether to ask for it, or to come back once more.
    polling: AdaptivePolling,
    clock: &'static dyn Clock,
}

impl Requests {
    pub(super) fn new(queue: Queue<Box<Request>>, requests: Vec<Box<Request>>, clock: &'static dyn Clock) -> Self {
        let place = |_| Place { state: RequestState::Idle, request: None, written: 0, waker: None };
        let places = requests.iter().map(place).collect();
        let inner = Inner {
            queue,
            places,
            idle: requests,
            idle_waiters: Vec::new(),
            is_armed: false,
            collecting: None,
            flusher: None,
            polling: AdaptivePolling::new(0, 0),
            clock,
        };
        Self { inner: Mutex::new(inner) }
    }

    /// An idle request, if there is one now.
    #[inline]
    pub(super) fn take_idle<'a>(&'a self, collector: &'a AtomicWaker) -> Option<Held<'a>> {
        let request = self.inner.lock().idle.pop()?;
        Some(Held::new(self, collector, request))
    }

    /// From now on polls for so many nanoseconds after a request for the next, while that is faster; with 0 never.
    pub(super) fn set_poll_budget_ns(&self, nanoseconds: u64) {
        let inner = &mut *self.inner.lock();
        inner.polling = AdaptivePolling::new(inner.clock.now_ns(), nanoseconds);
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
        let mut count = 0;
        while self.queue.has_used() {
            match self.queue.complete() {
                Ok(None) => break,
                Ok(Some((request, written))) => {
                    count += 1;
                    self.is_armed = false;
                    let slot = request.slot;
                    let place = &mut self.places[slot];
                    if place.state != RequestState::Awaited {
                        place.state = RequestState::Idle;
                        self.put_back(request);
                        continue;
                    }
                    (place.state, place.written) = (RequestState::Done, written);
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
        if count > 0 && self.polling.is_enabled() {
            self.polling.found(count, self.clock.now_ns());
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
        if let Some((slot, waker)) =
            chosen.filter(|_| self.polling.is_enabled() && self.polling.should_poll(self.clock.now_ns()))
        {
            waker.wake_by_ref();
            (self.flusher, self.collecting, self.is_armed) = (Some(slot), None, false);
            self.queue.disable_notifications();
            return false;
        }
        let (slot, waker) = (chosen.map(|(slot, _)| slot), chosen.map(|(_, waker)| waker));
        if let Some(waker) = waker.or_else(|| self.idle_waiters.first()) {
            collector.register(waker);
        }
        self.collecting = slot;
        let is_late = self.queue.enable_notifications();
        self.is_armed = !is_late;
        is_late
    }

    /// A request that a task waits for, and its waker.
    fn waiting(&self) -> Option<(usize, &Waker)> {
        let mut awaited = self.places.iter().enumerate().filter(|(_, place)| place.state == RequestState::Awaited);
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
        if place.state != RequestState::Done {
            return None;
        }
        place.state = RequestState::Idle;
        Some((place.request.take()?, place.written))
    }

    fn put_back(&mut self, request: Box<Request>) {
        self.idle.push(request);
        // All: the one that gets it may be gone by then.
        self.idle_waiters.drain(..).for_each(Waker::wake);
    }

    fn wake_all(&mut self) {
        self.idle_waiters.drain(..).for_each(Waker::wake);
        for place in &mut self.places {
            if place.state == RequestState::Awaited
                && let Some(waker) = place.waker.take()
            {
                waker.wake();
            }
        }
    }
}

impl fmt::Debug for Requests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Requests").field("queue", &self.inner.lock().queue).finish_non_exhaustive()
    }
}
