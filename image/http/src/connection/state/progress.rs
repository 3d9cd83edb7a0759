//! What a connection does each second, and what counts as its progress.

use core::net::SocketAddr;
use core::task::{Context, Poll};

use switchboard_net::Disconnected;

use super::{Connection, MIN_READ, MIN_WRITE, Phase};
use crate::connection::deadlines::Tick;
use crate::connection::transport::{self, ByteStream, StreamError, Transport};

impl<T: Transport> Tick for Connection<T> {
    fn tick(&self, now: u64) -> bool {
        let has_expired = now >= self.deadline.get();
        match self.phase.get() {
            Phase::Idle if has_expired => self.idle_expired(),
            Phase::Head if has_expired => self.head_expired(),
            Phase::Skipping if has_expired => self.close(),
            Phase::Closing if has_expired => {
                self.transport.abort();
                return false;
            }
            Phase::Handling if self.reads.is_waiting() && self.reads.tick(MIN_READ) => {
                self.is_read_expired.set(true);
                self.wake();
            }
            Phase::Handling => {
                self.handler_ticks.set(self.handler_ticks.get() + 1);
                if self.handler_ticks.get() > self.deadlines.handler_seconds {
                    self.is_handler_expired.set(true);
                    self.wake();
                }
            }
            Phase::Responding | Phase::Upgraded if self.writes.tick(MIN_WRITE) => self.transport.abort(),
            Phase::Responding if self.reads.tick(MIN_READ) => self.transport.abort(),
            _ => {}
        }
        true
    }
}

impl<T: Transport> ByteStream for Connection<T> {
    fn poll_read(
        &self,
        context: &mut Context<'_>,
        read: &mut dyn FnMut(&mut [u8]) -> usize,
    ) -> Poll<Result<(), StreamError>> {
        if self.is_read_expired.get() {
            return Poll::Ready(Err(StreamError::TimedOut));
        }
        match transport::poll_read(&self.transport, context, read) {
            Poll::Pending => {
                self.reads.wait();
                self.register(context);
                Poll::Pending
            }
            Poll::Ready(Ok(bytes)) => {
                self.reads.progress(bytes);
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(Disconnected)) => Poll::Ready(Err(StreamError::Disconnected)),
        }
    }

    fn poll_write(
        &self,
        context: &mut Context<'_>,
        write: &mut dyn FnMut(&mut [u8]) -> usize,
    ) -> Poll<Result<(), Disconnected>> {
        match transport::poll_write(&self.transport, context, write) {
            Poll::Pending => {
                self.writes.wait();
                Poll::Pending
            }
            Poll::Ready(Ok(bytes)) => {
                let queued = self.queued_bytes.get().map(|queued| queued + bytes);
                self.queued_bytes.set(queued);
                // If the queue is known, what leaves it counts.
                self.writes.progress(if queued.is_some() { 0 } else { bytes });
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
        }
    }

    fn poll_room(&self, context: &mut Context<'_>, bytes: usize) -> Poll<Result<usize, Disconnected>> {
        let outcome = self.transport.poll_room(context, bytes);
        // Nothing is written until there is room for many bytes: what the peer has acknowledged counts.
        let queued = self.transport.queued_bytes();
        let before = self.queued_bytes.get();
        self.writes.progress(before.unwrap_or(queued).saturating_sub(queued));
        let is_known = !matches!(outcome, Poll::Ready(Ok(0)));
        self.queued_bytes.set(is_known.then_some(queued));
        if outcome.is_pending() {
            self.writes.wait();
        }
        outcome
    }

    fn poll_closed(&self, context: &mut Context<'_>) -> Poll<()> {
        match transport::poll_read(&self.transport, context, &mut |_| 0) {
            Poll::Ready(Err(Disconnected)) => Poll::Ready(()),
            Poll::Ready(Ok(_)) | Poll::Pending => Poll::Pending,
        }
    }

    fn peer(&self) -> Option<SocketAddr> {
        self.transport.peer()
    }
}
