//! A connection: its transport, what it is doing, and until when.

mod progress;

use alloc::rc::Rc;
use core::cell::{Cell, Ref, RefCell};
use core::future::poll_fn;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};

use super::activity::{Activity, MinProgress};
use super::deadlines::Deadlines;
use super::transport::{self, Transport};
use crate::request::{Framing, RequestError};
use crate::response::{CommonHeaders, Response};

/// For the first request of a connection to begin.
const FIRST_REQUEST_SECONDS: u64 = 10;
/// For the next request of a connection to begin.
const KEEP_ALIVE_SECONDS: u64 = 15;
/// For a whole head, from its first byte on.
const HEAD_SECONDS: u64 = 10;
/// For the rest of a body that was not read.
const SKIP_SECONDS: u64 = 5;
/// For the peer to close its side after a deadline has closed ours.
const CLOSE_SECONDS: u64 = 3;
/// For the body of a request, while it is waited for: 200 bytes a second.
const MIN_READ: MinProgress = MinProgress { ticks: 15, bytes: 3000 };
/// For a response, while there is no room for more of it: 100 bytes a second. The time is long, since a reader may pause.
const MIN_WRITE: MinProgress = MinProgress { ticks: 120, bytes: 12_000 };
/// For the end of a response that waits in the transmit buffer: the same, in eight parts.
const MIN_FLUSH_BYTES: usize = 1500;
const MAX_FLUSH_STALLS: u8 = 8;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Between requests. Responses that need no waiting leave it so.
    Idle,
    /// A head has begun.
    Head,
    /// A handler runs, and nothing of its response was sent.
    Handling,
    /// The response is being sent.
    Responding,
    /// The rest of a body is skipped.
    Skipping,
    /// Another protocol has taken over.
    Upgraded,
    /// Closed by a deadline.
    Closing,
}

/// A connection with deadlines.
pub(crate) struct Connection<T: Transport> {
    pub(super) transport: T,
    pub(super) deadlines: Rc<Deadlines>,
    phase: Cell<Phase>,
    /// The tick at which the phase has lasted too long, for those that have an end.
    deadline: Cell<u64>,
    reads: Activity,
    writes: Activity,
    /// Bytes that were queued when the peer's progress was looked at, if that is by what it acknowledges.
    queued_bytes: Cell<Option<usize>>,
    /// Bytes that were queued at the last deadline, and how many times they have hardly become fewer.
    flush: Cell<(usize, u8)>,
    handler_ticks: Cell<u32>,
    /// Whether the handler has taken too long.
    is_handler_expired: Cell<bool>,
    /// Whether the peer has sent the body too slowly.
    is_read_expired: Cell<bool>,
    /// The task of the handler, to be woken when it is too slow.
    waker: RefCell<Option<Waker>>,
}

impl<T: Transport + 'static> Connection<T> {
    /// As [`Transport::finish`].
    pub(crate) async fn finish(&self) {
        self.transport.finish().await;
    }

    /// Creates a connection, which has to begin its first request in time.
    pub(crate) fn new(transport: T, deadlines: &Rc<Deadlines>) -> Rc<Self> {
        transport.idle();
        let connection = Rc::new(Self {
            transport,
            deadlines: deadlines.clone(),
            phase: Cell::new(Phase::Idle),
            deadline: Cell::new(deadlines.after(FIRST_REQUEST_SECONDS)),
            reads: Activity::default(),
            writes: Activity::default(),
            queued_bytes: Cell::new(None),
            flush: Cell::new((usize::MAX, 0)),
            handler_ticks: Cell::new(0),
            is_handler_expired: Cell::new(false),
            is_read_expired: Cell::new(false),
            waker: RefCell::new(None),
        });
        let weak = Rc::downgrade(&connection);
        deadlines.add(weak);
        connection
    }
}

impl<T: Transport> Connection<T> {
    /// Begins to wait for the next request, after a response that needed no waiting. The transport is marked as idle.
    #[inline]
    pub(super) fn restart_idle(&self) {
        self.deadline.set(self.deadlines.after(KEEP_ALIVE_SECONDS));
    }

    fn begin(&self, phase: Phase, seconds: u64) {
        if self.phase.get() != Phase::Closing {
            self.phase.set(phase);
            self.deadline.set(self.deadlines.after(seconds));
        }
    }

    pub(super) fn begin_idle(&self) {
        self.flush.set((usize::MAX, 0));
        self.begin(Phase::Idle, KEEP_ALIVE_SECONDS);
        self.transport.idle();
    }

    /// Begins the deadline of a head, unless it runs already.
    pub(super) fn begin_head(&self) {
        if self.phase.get() == Phase::Idle {
            self.begin(Phase::Head, HEAD_SECONDS);
        }
    }

    pub(super) fn begin_handling(&self) {
        self.reads.reset();
        self.writes.reset();
        self.handler_ticks.set(0);
        self.is_handler_expired.set(false);
        self.is_read_expired.set(false);
        self.begin(Phase::Handling, 0);
    }

    pub(super) fn begin_responding(&self) {
        self.queued_bytes.set(None);
        self.begin(Phase::Responding, 0);
    }

    pub(super) fn begin_skipping(&self) {
        self.begin(Phase::Skipping, SKIP_SECONDS);
    }

    pub(super) fn begin_upgraded(&self) {
        self.begin(Phase::Upgraded, 0);
    }

    /// Returns whether a deadline has closed the connection.
    pub(super) fn is_closing(&self) -> bool {
        self.phase.get() == Phase::Closing
    }

    /// Runs a handler until its response, or until it has taken too long, not counting the time for which it waits for the
    /// body; returns `None` then.
    pub(super) async fn run_handler<R>(&self, mut handler: Pin<&mut dyn Future<Output = R>>) -> Option<R> {
        poll_fn(|context| {
            if self.is_handler_expired.get() {
                return Poll::Ready(None);
            }
            self.register(context);
            handler.as_mut().poll(context).map(Some)
        })
        .await
    }

    fn register(&self, context: &Context<'_>) {
        let mut waker = self.waker.borrow_mut();
        if !waker.as_ref().is_some_and(|waker| waker.will_wake(context.waker())) {
            *waker = Some(context.waker().clone());
        }
    }

    fn wake(&self) {
        if let Some(waker) = self.waker.borrow_mut().take() {
            waker.wake();
        }
    }

    /// Closes the local side: the peer receives what was written, and a FIN. If it does not close its side in time, the
    /// connection is reset.
    fn close(&self) {
        self.transport.close();
        self.begin(Phase::Closing, CLOSE_SECONDS);
    }

    /// Handles the end of the time between requests: the end of the last response may still be on its way.
    fn idle_expired(&self) {
        let (before, stalls) = self.flush.get();
        match self.transport.queued_bytes() {
            0 => self.close(),
            queued if before.saturating_sub(queued) >= MIN_FLUSH_BYTES => {
                self.flush.set((queued, 0));
                self.deadline.set(self.deadlines.after(KEEP_ALIVE_SECONDS));
            }
            queued if stalls < MAX_FLUSH_STALLS => {
                self.flush.set((queued, stalls + 1));
                self.deadline.set(self.deadlines.after(KEEP_ALIVE_SECONDS));
            }
            _ => self.transport.abort(),
        }
    }

    /// Refuses a head that is incomplete. The task reads on until the peer closes its side.
    fn head_expired(&self) {
        let response = Response::from(RequestError::TIMEOUT);
        let mut write = |room: &mut [u8]| response.compose(Framing::REFUSED, &self.common_headers(), room).unwrap_or(0);
        // If there is no room now, the peer does not read.
        let _ = transport::poll_write(&self.transport, &mut Context::from_waker(Waker::noop()), &mut write);
        self.close();
    }

    /// Returns the headers that all responses have.
    #[inline]
    pub(super) fn common_headers(&self) -> Ref<'_, CommonHeaders> {
        self.deadlines.common_headers()
    }
}
