//! The socket as picoserve sees it: writes that leave in one piece, and a close that loses nothing.

use picoserve::Timeouts;
use picoserve::io::{BaseWrite, ErrorType, Read, Socket, Write};
use picoserve::mem::{BorrowedBuffer, BorrowedCursor};
use picoserve::time::{Duration, Timer};

use super::Connection;
use crate::network::{Disconnected, TcpSocket, finish};

/// Names our implementations among those that picoserve knows.
#[derive(Debug)]
pub(super) struct Embassy;

/// Time as picoserve asks for it.
pub(super) struct Clock;

impl Timer<Embassy> for Clock {
    fn delay(&self, duration: Duration) -> impl Future<Output = ()> {
        embassy_time::Timer::after_millis(duration.as_millis())
    }
}

/// [`Disconnected`], as picoserve wants an error to be.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub(super) struct Failure(#[from] Disconnected);

impl picoserve::io::Error for Failure {
    fn kind(&self) -> picoserve::io::ErrorKind {
        picoserve::io::ErrorKind::ConnectionReset
    }
}

/// One connection.
pub(super) struct Wire<'a> {
    socket: TcpSocket,
    connection: &'a Connection,
}

impl<'a> Wire<'a> {
    pub(super) fn new(socket: TcpSocket, connection: &'a Connection) -> Self {
        Self { socket, connection }
    }
}

impl<'s> Socket<Embassy> for Wire<'s> {
    type Error = Failure;
    type ReadHalf<'a>
        = Reader<'a>
    where
        's: 'a;
    type WriteHalf<'a>
        = Writer<'a>
    where
        's: 'a;

    fn split(&mut self) -> (Reader<'_>, Writer<'_>) {
        let (socket, connection) = (&self.socket, self.connection);
        (Reader { socket, connection }, Writer { socket, connection })
    }

    /// Also after an error there may be a response under way that says what is wrong, so only a response that
    /// was given up is cut off.
    async fn abort<T: Timer<Embassy>>(self, timeouts: &Timeouts, timer: &T) -> Result<(), picoserve::Error<Failure>> {
        if self.connection.is_broken() {
            self.socket.abort();
        }
        self.shutdown(timeouts, timer).await
    }

    async fn shutdown<T: Timer<Embassy>>(
        self,
        _timeouts: &Timeouts,
        _timer: &T,
    ) -> Result<(), picoserve::Error<Failure>> {
        finish(&self.socket).await;
        Ok(())
    }
}

/// The half that requests come from.
pub(super) struct Reader<'a> {
    socket: &'a TcpSocket,
    connection: &'a Connection,
}

impl ErrorType for Reader<'_> {
    type Error = Failure;
}

impl Read for Reader<'_> {
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Failure> {
        if self.connection.is_closing() { Ok(0) } else { Ok(self.socket.read(buffer).await?) }
    }
}

/// The half that responses go to.
pub(super) struct Writer<'a> {
    socket: &'a TcpSocket,
    connection: &'a Connection,
}

impl Writer<'_> {
    fn check(&self) -> Result<(), Failure> {
        if self.connection.is_broken() { Err(Failure(Disconnected)) } else { Ok(()) }
    }
}

impl ErrorType for Writer<'_> {
    type Error = Failure;
}

impl BaseWrite for Writer<'_> {
    async fn write(&mut self, data: &[u8]) -> Result<usize, Failure> {
        self.check()?;
        Ok(self.socket.write(data).await?)
    }

    /// Nothing waits here: the stack sends what was written as soon as this task yields, so headers and body
    /// share a segment. embassy-net's own flush waits for the peer's acknowledgement, between the two.
    async fn flush(&mut self) -> Result<(), Failure> {
        self.check()
    }
}

impl Write for Writer<'_> {
    async fn write_with<F: FnOnce(BorrowedCursor<'_>) -> R, R>(&mut self, fill: F) -> Result<R, Failure> {
        self.check()?;
        let write = |buffer: &mut [u8]| {
            let mut buffer = BorrowedBuffer::new(buffer);
            let result = fill(buffer.unfilled());
            (buffer.len(), result)
        };
        Ok(self.socket.write_with(write).await?)
    }
}
