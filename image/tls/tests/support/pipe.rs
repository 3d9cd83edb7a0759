//! A byte stream in memory, which may deliver bytes one by one, and change one.

use core::cell::RefCell;
use core::convert::Infallible;
use core::future::poll_fn;
use core::task::Poll;
use std::collections::VecDeque;
use std::rc::Rc;

use embedded_io_async::{ErrorType, Read, Write};

/// Polls without data after which a connection ends.
const MAX_WAITS: u32 = 100;

/// One direction.
#[derive(Debug, Default)]
struct Channel {
    bytes: VecDeque<u8>,
    is_closed: bool,
    /// All bytes that were ever written.
    written: Vec<u8>,
}

/// One end of a pipe. Dropping it closes its direction.
#[derive(Debug)]
pub(crate) struct Pipe {
    incoming: Rc<RefCell<Channel>>,
    outgoing: Rc<RefCell<Channel>>,
    /// The most bytes that are read at a time.
    pub(crate) read_limit: usize,
    /// The position of a byte that is changed on its way out.
    pub(crate) flipped: Option<usize>,
    /// The number of bytes after which the direction is closed.
    pub(crate) cut_after: Option<usize>,
    /// Polls without data, in a row.
    waits: u32,
}

/// Returns both ends of a pipe.
pub(crate) fn pipe() -> (Pipe, Pipe) {
    let (one, two) = (Rc::<RefCell<Channel>>::default(), Rc::<RefCell<Channel>>::default());
    let end = |incoming: &Rc<RefCell<Channel>>, outgoing: &Rc<RefCell<Channel>>| Pipe {
        incoming: incoming.clone(),
        outgoing: outgoing.clone(),
        read_limit: usize::MAX,
        flipped: None,
        cut_after: None,
        waits: 0,
    };
    (end(&one, &two), end(&two, &one))
}

impl Pipe {
    /// Returns a view of all bytes that the other end has written so far.
    pub(crate) fn tap(&self) -> impl Fn() -> Vec<u8> + 'static {
        let incoming = self.incoming.clone();
        move || incoming.borrow().written.clone()
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        self.outgoing.borrow_mut().is_closed = true;
        // The other end's writes go nowhere.
        self.incoming.borrow_mut().is_closed = true;
    }
}

impl ErrorType for Pipe {
    type Error = Infallible;
}

impl Read for Pipe {
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Infallible> {
        poll_fn(|context| {
            let incoming = &mut *self.incoming.borrow_mut();
            if incoming.bytes.is_empty() && !incoming.is_closed {
                self.waits += 1;
                if self.waits < MAX_WAITS {
                    context.waker().wake_by_ref();
                    return Poll::Pending;
                }
                // Both ends wait: the connection ends, as by a time-out.
            }
            self.waits = 0;
            let count = incoming.bytes.len().min(buffer.len()).min(self.read_limit);
            for (to, from) in buffer.iter_mut().zip(incoming.bytes.drain(..count)) {
                *to = from;
            }
            Poll::Ready(Ok(count))
        })
        .await
    }
}

impl Write for Pipe {
    async fn write(&mut self, data: &[u8]) -> Result<usize, Infallible> {
        let outgoing = &mut *self.outgoing.borrow_mut();
        for byte in data {
            let position = outgoing.written.len();
            if self.cut_after.is_some_and(|end| position >= end) {
                outgoing.is_closed = true;
            }
            let byte = if self.flipped == Some(position) { byte ^ 0x55 } else { *byte };
            outgoing.written.push(byte);
            if !outgoing.is_closed {
                outgoing.bytes.push_back(byte);
            }
        }
        Ok(data.len())
    }

    async fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}
