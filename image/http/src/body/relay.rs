//! A body that is sent back, or on, while it arrives.

use alloc::collections::VecDeque;
use core::cell::{Cell, RefCell};
use core::future::poll_fn;
use core::task::{Context, Poll};

use embassy_futures::join::join;
use switchboard_net::Disconnected;
use switchboard_runtime::memory_budget::{self, Reservation};

use super::request_body::RequestBody;
use super::writer::BodyWriter;

/// Bytes that are read and written at once.
const PART_BYTES: usize = 2048;

/// Bytes between the reader and the writer, which are polled by one task.
struct Queue {
    bytes: RefCell<VecDeque<u8>>,
    reservation: RefCell<Reservation>,
    /// Nothing more is read.
    has_ended: Cell<bool>,
    /// Nothing more is written.
    is_closed: Cell<bool>,
    /// The reader waits for room.
    waits_for_room: Cell<bool>,
    max_bytes: usize,
}

impl Queue {
    /// Waits for room for a part. There is some for one part at least, also when the memory budget is used up.
    fn poll_room(&self) -> Poll<()> {
        let needed = self.bytes.borrow().len() + PART_BYTES;
        let may_grow = || {
            let mut reservation = self.reservation.borrow_mut();
            needed <= reservation.bytes() || reservation.resize(needed.next_multiple_of(16 * PART_BYTES)).is_ok()
        };
        let has_room = needed <= PART_BYTES || needed <= self.max_bytes && may_grow();
        let has_room = has_room && self.bytes.borrow_mut().try_reserve(PART_BYTES).is_ok();
        self.waits_for_room.set(!has_room);
        if has_room || self.is_closed.get() { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Waits for bytes and takes some; 0 at the end.
    fn poll_take(&self, context: &mut Context<'_>, part: &mut [u8]) -> Poll<usize> {
        let mut bytes = self.bytes.borrow_mut();
        let (front, _) = bytes.as_slices();
        let length = front.len().min(part.len());
        part[..length].copy_from_slice(&front[..length]);
        bytes.drain(..length);
        if length == 0 && !self.has_ended.get() {
            return Poll::Pending;
        }
        self.wake_reader(context);
        Poll::Ready(length)
    }

    /// Has the reader be polled again, which the same task polls.
    fn wake_reader(&self, context: &Context<'_>) {
        if self.waits_for_room.take() {
            context.waker().wake_by_ref();
        }
    }
}

/// Writes a request's body to a response while it arrives, with at most so many bytes between.
///
/// Many clients read the response only when they have sent the whole request (RFC 9112, 9.3, leaves that to them). A handler
/// that stops reading while it cannot write would wait for such a client for ever as soon as the buffers on the way are full,
/// and the client for it. With this function that happens only for bodies that are longer than `max_bytes`; others of any length
/// pass too, to clients that read meanwhile.
///
/// ```
/// use switchboard_http::{RequestBody, Response, Router, StatusCode, TEXT, relay};
///
/// async fn echo(body: RequestBody) -> Response {
///     Response::written(StatusCode::OK, TEXT, async move |writer| relay(body, writer, 256 * 1024).await)
/// }
///
/// let router = Router::new(()).post("/echo", echo);
/// # let _: Router<()> = router;
/// ```
///
/// # Errors
/// [`Disconnected`] when the client is gone or its body is malformed: the response has no end then, by which the client
/// detects that.
pub async fn relay(
    mut body: RequestBody,
    mut writer: BodyWriter,
    max_bytes: usize,
) -> Result<BodyWriter, Disconnected> {
    let reservation = RefCell::new(memory_budget::reserve(0).map_err(|_| Disconnected)?);
    let queue = Queue {
        bytes: RefCell::default(),
        reservation,
        has_ended: Cell::new(false),
        is_closed: Cell::new(false),
        waits_for_room: Cell::new(false),
        max_bytes,
    };
    let read = async {
        let mut part = [0; PART_BYTES];
        let result = loop {
            poll_fn(|_| queue.poll_room()).await;
            if queue.is_closed.get() {
                break Err(Disconnected);
            }
            match body.read(&mut part).await {
                Ok(0) => break Ok(()),
                Ok(length) => queue.bytes.borrow_mut().extend(&part[..length]),
                Err(_) => break Err(Disconnected),
            }
        };
        queue.has_ended.set(true);
        result
    };
    let write = async {
        let mut part = [0; PART_BYTES];
        let mut result = Ok(());
        while result.is_ok()
            && let length @ 1.. = poll_fn(|context| queue.poll_take(context, &mut part)).await
        {
            result = writer.write(&part[..length]).await;
        }
        queue.is_closed.set(result.is_err());
        poll_fn(|context| {
            queue.wake_reader(context);
            Poll::Ready(())
        })
        .await;
        result
    };
    let (read, written) = join(read, write).await;
    read.and(written).map(|()| writer)
}
