//! The requests of a block device: idle, in flight and done ones, and the tasks that wait for them.
//!
//! A driver brings its queue, as a [`RequestQueue`].
//!
//! Any number of tasks wait, each for a request of its own. The handler cannot see whose request is done, so it wakes one task, the
//! *collector*, which takes all finished requests from the queue and wakes their tasks. A task that is polled becomes the collector;
//! one that is ready or is dropped passes this role on. The request of a dropped task is left to the device, and becomes idle
//! when it is collected.
//!
//! With several requests in flight, the device is kicked, and the next interrupt is requested, once for all tasks that were polled:
//! the first of them, the *flusher*, is polled once more after the others for this. While polling is faster than interrupts, the
//! flusher is polled all the time, and requests no interrupt.

mod driver;
mod handles;
mod queue;

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;
use core::task::Waker;

use atomic_waker::AtomicWaker;
use spin::Mutex;
use switchboard::platform::Clock;

pub(crate) use self::driver::{RequestDriver, abandon, poll_request};
use self::handles::{IdleWaiter, Pending};
pub(crate) use self::queue::{Finished, Indexed, RequestQueue};
use crate::adaptive_polling::AdaptivePolling;

/// The state of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RequestState {
    /// In the list of idle requests, or about to be submitted.
    Idle,
    /// In the queue; a task waits for it.
    Awaited,
    /// In the queue; its task was dropped.
    Abandoned,
    /// Collected; its task has not taken it yet.
    Done,
}

/// The state of one request, and its task.
struct RequestEntry<Q: RequestQueue> {
    state: RequestState,
    /// In the state `Done`: the request, and what the device reported.
    done: Option<(Box<Q::Request>, Q::Report)>,
    /// The waker of the task. It is kept afterwards, since the next task is often the same.
    waker: Option<Waker>,
}

/// All requests of a device. Only tasks take the lock, for a few dozen instructions, with interrupts enabled. An interrupt between a check
/// of the queue and the registration of a waker wakes no task, so that another check has to follow.
pub(crate) struct Requests<Q: RequestQueue> {
    inner: Mutex<Inner<Q>>,
}

struct Inner<Q: RequestQueue> {
    queue: Q,
    entries: Box<[RequestEntry<Q>]>,
    idle: Vec<Box<Q::Request>>,
    /// The wakers of tasks that wait for an idle request. Its memory is kept.
    idle_waiters: Vec<Waker>,
    /// An interrupt is requested for the next finished request.
    is_interrupt_requested: bool,
    /// The request whose task is the collector. A late interrupt, for requests collected before, may have woken it already: so this task
    /// checks the queue whenever it is polled.
    collecting: Option<usize>,
    /// The request whose task is the flusher.
    flusher: Option<usize>,
    /// Whether the flusher requests an interrupt or polls.
    polling: AdaptivePolling,
    clock: &'static dyn Clock,
}

impl<Q: RequestQueue> Requests<Q> {
    /// Creates the idle `requests` of a queue, whose indices are their positions.
    pub(crate) fn new(queue: Q, requests: Vec<Box<Q::Request>>, clock: &'static dyn Clock) -> Self {
        let entry = |_| RequestEntry { state: RequestState::Idle, done: None, waker: None };
        let entries = requests.iter().map(entry).collect();
        let inner = Inner {
            queue,
            entries,
            idle: requests,
            idle_waiters: Vec::new(),
            is_interrupt_requested: false,
            collecting: None,
            flusher: None,
            polling: AdaptivePolling::new(0, 0),
            clock,
        };
        Self { inner: Mutex::new(inner) }
    }

    /// Notes that the device does not interrupt for the next finished request, since a handler has masked it: the task that is polled
    /// next requests it again.
    pub(crate) fn note_masked(&self) {
        self.inner.lock().is_interrupt_requested = false;
    }

    /// Takes an idle request, if there is one.
    #[inline]
    pub(crate) fn take_idle(&self) -> Option<Box<Q::Request>> {
        self.inner.lock().idle.pop()
    }

    /// Makes a request idle.
    #[inline]
    pub(crate) fn put_back(&self, request: Box<Q::Request>) {
        self.inner.lock().put_back(request);
    }

    /// Sets how long after a request tasks may poll for the next one; 0 for never.
    pub(crate) fn set_poll_budget_ns(&self, poll_budget_ns: u64) {
        let inner = &mut *self.inner.lock();
        inner.polling = AdaptivePolling::new(inner.clock.now_ns(), poll_budget_ns);
    }

    /// Calls `act` with the queue.
    pub(crate) fn with_queue<T>(&self, act: impl FnOnce(&mut Q) -> T) -> T {
        act(&mut self.inner.lock().queue)
    }

    /// Calls `act`, which may take requests out of the queue and returns them with their reports, and wakes all tasks.
    pub(crate) fn take_out(&self, act: impl FnOnce(&mut Q) -> Vec<Finished<Q>>) {
        let inner = &mut *self.inner.lock();
        for (request, report) in act(&mut inner.queue) {
            inner.finish(request, report, None);
        }
        inner.wake_all();
    }

    /// Wakes all tasks.
    pub(crate) fn wake(&self) {
        self.inner.lock().wake_all();
    }

    /// Declares the queue dead, and wakes all tasks, whose requests then fail.
    pub(crate) fn abandon(&self) {
        let inner = &mut *self.inner.lock();
        inner.queue.abandon();
        inner.wake_all();
    }
}

impl<Q: RequestQueue> Inner<Q> {
    /// Takes all finished requests from the queue and wakes their tasks, except the task of `own`, which is the caller.
    fn collect(&mut self, own: Option<usize>) -> Result<(), Q::Error> {
        let mut count = 0;
        loop {
            match self.queue.complete() {
                Ok(None) => break,
                Ok(Some((request, report))) => {
                    count += 1;
                    self.is_interrupt_requested = false;
                    self.finish(request, report, own);
                }
                Err(error) => {
                    // No request finishes any more: all tasks have to detect it.
                    self.wake_all();
                    return Err(error);
                }
            }
        }
        if count > 0 && self.queue.in_flight() == 0 {
            self.queue.mark_taken();
        }
        if count > 0 && self.polling.is_enabled() {
            self.polling.found(count, self.clock.now_ns());
        }
        Ok(())
    }

    /// Notes that a request is finished, and wakes its task unless that is `own`.
    #[inline(always)]
    fn finish(&mut self, request: Box<Q::Request>, report: Q::Report, own: Option<usize>) {
        let index = request.index();
        let entry = &mut self.entries[index];
        if entry.state != RequestState::Awaited {
            entry.state = RequestState::Idle;
            self.put_back(request);
            return;
        }
        (entry.state, entry.done) = (RequestState::Done, Some((request, report)));
        if own != Some(index)
            && let Some(waker) = &entry.waker
        {
            waker.wake_by_ref();
        }
    }

    /// Kicks the device for the requests submitted, and makes the task of `own`, or else any that waits, the collector for the next
    /// interrupt. Returns whether requests were finished meanwhile, for which there may be no interrupt.
    fn flush(&mut self, own: Option<(usize, &Waker)>, collector: &AtomicWaker) -> bool {
        self.flusher = None;
        self.queue.kick();
        if self.queue.in_flight() == 0 {
            return false;
        }
        // Waker, request for an interrupt, last check, in this order: in any other, a request that finishes in between would wake no
        // task.
        let chosen = own.or_else(|| self.waiting());
        if let Some((index, waker)) =
            chosen.filter(|_| self.polling.is_enabled() && self.polling.should_poll(self.clock.now_ns()))
        {
            waker.wake_by_ref();
            (self.flusher, self.collecting, self.is_interrupt_requested) = (Some(index), None, false);
            self.queue.disable_notifications();
            return false;
        }
        let (index, waker) = (chosen.map(|(index, _)| index), chosen.map(|(_, waker)| waker));
        if let Some(waker) = waker.or_else(|| self.idle_waiters.first()) {
            collector.register(waker);
        }
        self.collecting = index;
        let is_late = self.queue.enable_notifications();
        self.is_interrupt_requested = !is_late;
        is_late
    }

    /// Returns a request that a task waits for, and the waker.
    fn waiting(&self) -> Option<(usize, &Waker)> {
        let mut awaited = self.entries.iter().enumerate().filter(|(_, entry)| entry.state == RequestState::Awaited);
        awaited.find_map(|(index, entry)| Some((index, entry.waker.as_ref()?)))
    }

    /// Passes the roles of collector and flusher on, after the task of a request is done.
    fn pass_on(&mut self, collector: &AtomicWaker) {
        if self.flusher.is_some()
            || self.is_interrupt_requested && self.collecting.is_some()
            || self.queue.in_flight() == 0
        {
            return;
        }
        match self.waiting() {
            Some((index, waker)) if self.is_interrupt_requested => {
                collector.register(waker);
                if self.queue.has_used() {
                    waker.wake_by_ref();
                }
                self.collecting = Some(index);
            }
            Some((index, waker)) => {
                waker.wake_by_ref();
                self.flusher = Some(index);
            }
            None => self.settle(collector),
        }
    }

    /// Flushes until no request was finished meanwhile.
    fn settle(&mut self, collector: &AtomicWaker) {
        // After an error, all tasks were woken, and detect it.
        while self.flush(None, collector) && self.collect(None).is_ok() {}
    }

    /// Takes the request of `index` if it is done.
    fn take_done(&mut self, index: usize) -> Option<(Box<Q::Request>, Q::Report)> {
        let entry = &mut self.entries[index];
        if entry.state != RequestState::Done {
            return None;
        }
        entry.state = RequestState::Idle;
        entry.done.take()
    }

    /// Makes a request idle.
    fn put_back(&mut self, request: Box<Q::Request>) {
        self.idle.push(request);
        // All of them: a single one could be dropped before it takes the request. Mostly there are none, in each read.
        if !self.idle_waiters.is_empty() {
            self.idle_waiters.drain(..).for_each(Waker::wake);
        }
    }

    /// Wakes all tasks.
    fn wake_all(&mut self) {
        self.idle_waiters.drain(..).for_each(Waker::wake);
        for entry in &mut self.entries {
            if entry.state == RequestState::Awaited
                && let Some(waker) = entry.waker.take()
            {
                waker.wake();
            }
        }
    }
}

impl<Q: RequestQueue> fmt::Debug for Requests<Q> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Requests").field("in_flight", &self.inner.lock().queue.in_flight()).finish_non_exhaustive()
    }
}
