//! A body that is sent back to clients of all orders.

use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::net::SocketAddr;
use core::pin::pin;
use core::task::{Context, Poll, Waker};

use switchboard_net::Disconnected;

use crate::body::{BodyShared, BodyWriter, RequestBody, WriterFraming, relay};
use crate::connection::{ByteStream, StreamError};
use crate::request::{BodyLength, Framing};

/// A client that begins to read when it has sent a part of its body; after some bytes, it may be gone.
struct Client {
    body: RefCell<Vec<u8>>,
    received: RefCell<Vec<u8>>,
    /// Bytes of the body that are left when it begins to read.
    reads_at: usize,
    gone_after: usize,
    polls: Cell<usize>,
}

impl ByteStream for Client {
    fn poll_read(
        &self,
        context: &mut Context<'_>,
        read: &mut dyn FnMut(&mut [u8]) -> usize,
    ) -> Poll<Result<(), StreamError>> {
        self.polls.set(self.polls.get() + 1);
        if self.received.borrow().len() >= self.gone_after {
            return Poll::Ready(Err(StreamError::Disconnected));
        }
        let mut body = self.body.borrow_mut();
        // Not each poll finds something.
        if self.polls.get().is_multiple_of(3) || body.is_empty() {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let length = body.len().min(1000);
        let taken = read(&mut body[..length]);
        body.drain(..taken);
        Poll::Ready(Ok(()))
    }

    fn poll_write(
        &self,
        context: &mut Context<'_>,
        write: &mut dyn FnMut(&mut [u8]) -> usize,
    ) -> Poll<Result<(), Disconnected>> {
        self.polls.set(self.polls.get() + 1);
        let mut received = self.received.borrow_mut();
        if received.len() >= self.gone_after {
            return Poll::Ready(Err(Disconnected));
        }
        if self.body.borrow().len() > self.reads_at || self.polls.get().is_multiple_of(5) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let mut room = [0; 700];
        let length = write(&mut room);
        received.extend_from_slice(&room[..length]);
        Poll::Ready(Ok(()))
    }

    fn poll_room(&self, _context: &mut Context<'_>, _bytes: usize) -> Poll<Result<usize, Disconnected>> {
        Poll::Ready(Ok(700))
    }

    fn poll_closed(&self, _context: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }

    fn peer(&self) -> Option<SocketAddr> {
        None
    }
}

/// Relays a body of 100,000 bytes with a queue of so many. Returns whether it ended well, if it has ended, and what came back.
fn relayed(reads_at: usize, gone_after: usize, max_bytes: usize) -> (Option<bool>, Vec<u8>) {
    let body: Vec<u8> = (0..100_000_u32).map(|index| index.to_le_bytes()[index as usize % 3]).collect();
    let client = Rc::new(Client {
        body: RefCell::new(body.clone()),
        received: RefCell::default(),
        reads_at,
        gone_after,
        polls: Cell::new(0),
    });
    let framing = Framing {
        is_head: false,
        body: BodyLength::Known(body.len() as u64),
        is_http_1_0: false,
        keeps_alive: true,
        expects_continue: false,
    };
    let request = RequestBody::new(BodyShared::new(client.clone(), framing));
    let writer = BodyWriter::new(client.clone(), WriterFraming::Close);
    let mut relay = pin!(relay(request, writer, max_bytes));
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..10_000 {
        if let Poll::Ready(result) = relay.as_mut().poll(&mut context) {
            let received = client.received.borrow().clone();
            assert!(result.is_err() || received == body);
            return (Some(result.is_ok()), received);
        }
    }
    (None, client.received.borrow().clone())
}

#[test]
fn bodies_come_back_whenever_the_client_reads() {
    for reads_at in [100_000, 50_000, 1, 0] {
        assert_eq!(relayed(reads_at, usize::MAX, 1 << 20).0, Some(true), "with {reads_at} bytes left to send");
    }
    // One that reads all the time needs no queue.
    assert_eq!(relayed(100_000, usize::MAX, 0).0, Some(true));
}

#[test]
fn the_queue_is_bounded() {
    let (result, received) = relayed(0, usize::MAX, 50_000);
    assert_eq!((result, received.len()), (None, 0), "both wait: the client is ended by its timeout");
}

#[test]
fn a_client_that_is_gone_ends_it() {
    for max_bytes in [0, 5000, 1 << 20] {
        assert_eq!(relayed(100_000, 20_000, max_bytes).0, Some(false), "{max_bytes}");
    }
}
