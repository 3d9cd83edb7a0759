//! The socket as picoserve sees it: writes that leave in one piece, and a close that loses nothing.

use embassy_net::tcp::{Error, TcpReader, TcpSocket, TcpWriter};
use picoserve::Timeouts;
use picoserve::io::{BaseWrite, ErrorType, Read, Socket, Write};
use picoserve::mem::{BorrowedBuffer, BorrowedCursor};
use picoserve::time::{Duration, Timer};

use super::Connection;
use crate::network::finish;

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

/// One connection.
pub(super) struct Wire<'a> {
    socket: TcpSocket<'a>,
    connection: &'a Connection,
}

impl<'a> Wire<'a> {
    pub(super) fn new(socket: TcpSocket<'a>, connection: &'a Connection) -> Self {
        Self { socket, connection }
    }
}

impl<'s> Socket<Embassy> for Wire<'s> {
    type Error = Error;
    type ReadHalf<'a>
        = Reader<'a>
    where
        's: 'a;
    type WriteHalf<'a>
        = Writer<'a>
    where
        's: 'a;

    fn split(&mut self) -> (Reader<'_>, Writer<'_>) {
        let (reader, writer) = self.socket.split();
        (Reader { reader, connection: self.connection }, Writer { writer, connection: self.connection })
    }

    /// Also after an error there may be a response under way that says what is wrong, so only a response that
    /// was given up is cut off.
    async fn abort<T: Timer<Embassy>>(mut self, timeouts: &Timeouts, timer: &T) -> Result<(), picoserve::Error<Error>> {
        if self.connection.is_broken() {
            self.socket.abort();
        }
        self.shutdown(timeouts, timer).await
    }

    async fn shutdown<T: Timer<Embassy>>(
        mut self,
        _timeouts: &Timeouts,
        _timer: &T,
    ) -> Result<(), picoserve::Error<Error>> {
        finish(&mut self.socket).await;
        Ok(())
    }
}

/// The half that requests come from.
pub(super) struct Reader<'a> {
    reader: TcpReader<'a>,
    connection: &'a Connection,
}

impl ErrorType for Reader<'_> {
    type Error = Error;
}

impl Read for Reader<'_> {
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Error> {
        if self.connection.is_closing() { Ok(0) } else { self.reader.read(buffer).await }
    }
}

/// The half that responses go to.
pub(super) struct Writer<'a> {
    writer: TcpWriter<'a>,
    connection: &'a Connection,
}

impl Writer<'_> {
    fn check(&self) -> Result<(), Error> {
        if self.connection.is_broken() { Err(Error::ConnectionReset) } else { Ok(()) }
    }
}

impl ErrorType for Writer<'_> {
    type Error = Error;
}

impl BaseWrite for Writer<'_> {
    async fn write(&mut self, data: &[u8]) -> Result<usize, Error> {
        self.check()?;
        self.writer.write(data).await
    }

    /// Nothing waits here: the stack sends what was written as soon as this task yields, so headers and body
    /// share a segment. embassy-net's own flush waits for the peer's acknowledgement, between the two.
    async fn flush(&mut self) -> Result<(), Error> {
        self.check()
    }
}

impl Write for Writer<'_> {
    async fn write_with<F: FnOnce(BorrowedCursor<'_>) -> R, R>(&mut self, fill: F) -> Result<R, Error> {
        self.check()?;
        let write = |buffer: &mut [u8]| {
            let mut buffer = BorrowedBuffer::new(buffer);
            let result = fill(buffer.unfilled());
            (buffer.len(), result)
        };
        self.writer.write_with(write).await
    }
}
