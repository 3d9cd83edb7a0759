//! What the reader of a request's body and the server share.

use alloc::rc::Rc;
use core::cell::{Cell, RefCell};
use core::future::poll_fn;
use core::task::{Context, Poll, ready};

use super::body_error::BodyError;
use super::decoder::Decoder;
use crate::connection::ByteStream;
use crate::request::Framing;

const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// A body, shared by its reader and the server, which skips what is left of it.
pub(crate) struct BodyShared {
    stream: Rc<dyn ByteStream>,
    pub(super) decoder: RefCell<Decoder>,
    /// How many bytes of the interim response are still to be sent.
    interim_bytes: Cell<usize>,
    error: Cell<Option<BodyError>>,
}

impl BodyShared {
    pub(crate) fn new(stream: Rc<dyn ByteStream>, framing: Framing) -> Rc<Self> {
        let interim_bytes = if framing.expects_continue { CONTINUE.len() } else { 0 };
        let decoder = RefCell::new(Decoder::new(framing.body));
        Rc::new(Self { stream, decoder, interim_bytes: Cell::new(interim_bytes), error: Cell::new(None) })
    }

    /// Returns whether the rest can be skipped by reading at most so many bytes.
    pub(crate) fn can_skip(&self, max_bytes: u64) -> bool {
        // A client that still waits for the interim response may send the body or not.
        self.error.get().is_none() && self.interim_bytes.get() == 0 && self.decoder.borrow().min_rest() <= max_bytes
    }

    /// Prepares for the response: an interim response can only be sent before it. It is sent if the body may be read while
    /// the response is sent, or has begun.
    pub(crate) async fn begin_response(self: &Rc<Self>) -> Result<(), BodyError> {
        let has_begun = (1..CONTINUE.len()).contains(&self.interim_bytes.get());
        if has_begun || Rc::strong_count(self) > 1 {
            poll_fn(|context| self.poll_interim(context)).await?;
        }
        Ok(())
    }

    /// Makes further reads fail, as the response was sent.
    pub(crate) fn close(&self) {
        self.error.set(self.error.get().or(Some(BodyError::Disconnected)));
    }

    /// Skips the rest, unless there are more than so many bytes.
    pub(crate) async fn skip(&self, mut max_bytes: usize) -> Result<(), BodyError> {
        while !self.decoder.borrow().is_done() {
            let (mut skipped, limit) = (0, max_bytes);
            let mut skip = |data: &mut [u8]| {
                skipped = data.len();
                data.len()
            };
            poll_fn(|context| self.poll_content(context, &mut skip)).await?;
            max_bytes = max_bytes.checked_sub(skipped.max(1)).ok_or(BodyError::TooLarge { limit })?;
        }
        Ok(())
    }

    /// Waits for content, and passes it to `read`, which returns how much it has consumed. Returns false at the end.
    pub(super) fn poll_read(
        &self,
        context: &mut Context<'_>,
        read: &mut dyn FnMut(&mut [u8]) -> usize,
    ) -> Poll<Result<bool, BodyError>> {
        if let Some(error) = self.error.get() {
            return Poll::Ready(Err(error));
        }
        let has_read = Cell::new(false);
        let mut read = |data: &mut [u8]| {
            has_read.set(true);
            read(data)
        };
        loop {
            if self.decoder.borrow().is_done() {
                return Poll::Ready(Ok(false));
            }
            ready!(self.poll_interim(context))?;
            ready!(self.poll_content(context, &mut read))?;
            if has_read.get() {
                return Poll::Ready(Ok(true));
            }
        }
    }

    /// Reads once: what frames the content, and content, if there is some.
    fn poll_content(
        &self,
        context: &mut Context<'_>,
        read: &mut dyn FnMut(&mut [u8]) -> usize,
    ) -> Poll<Result<(), BodyError>> {
        let mut result = Ok(());
        let mut decode = |data: &mut [u8]| {
            let mut decoder = self.decoder.borrow_mut();
            match decoder.decode(data) {
                Ok((skipped, 0)) => skipped,
                Ok((skipped, length)) => {
                    let taken = read(&mut data[skipped..skipped + length]).min(length);
                    decoder.advance(taken);
                    skipped + taken
                }
                Err(error) => {
                    result = Err(error);
                    0
                }
            }
        };
        let outcome = ready!(self.stream.poll_read(context, &mut decode));
        let result = outcome.map_err(BodyError::from).and(result);
        if result.is_err() {
            self.error.set(result.err());
        }
        Poll::Ready(result)
    }

    /// Sends the interim response, if the client waits for it.
    fn poll_interim(&self, context: &mut Context<'_>) -> Poll<Result<(), BodyError>> {
        while self.interim_bytes.get() > 0 {
            let mut write = |room: &mut [u8]| {
                let rest = &CONTINUE[CONTINUE.len() - self.interim_bytes.get()..];
                let length = rest.len().min(room.len());
                room[..length].copy_from_slice(&rest[..length]);
                self.interim_bytes.set(rest.len() - length);
                length
            };
            let written = ready!(self.stream.poll_write(context, &mut write));
            written.map_err(|_| BodyError::Disconnected)?;
        }
        Poll::Ready(Ok(()))
    }
}
