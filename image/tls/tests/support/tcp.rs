//! A TCP connection of the host as a transport. Its calls block, and time out.

use core::time::Duration;
use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;

use embedded_io_async::{ErrorKind, ErrorType, Read, Write};

/// The longest wait for a peer.
const TIMEOUT: Duration = Duration::from_secs(20);

/// A connection.
#[derive(Debug)]
pub(crate) struct Tcp(TcpStream);

impl Tcp {
    /// Takes a connection.
    pub(crate) fn new(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(TIMEOUT)).expect("a time-out");
        stream.set_write_timeout(Some(TIMEOUT)).expect("a time-out");
        Self(stream)
    }
}

fn kind(error: io::Error) -> ErrorKind {
    match error.kind() {
        io::ErrorKind::ConnectionReset => ErrorKind::ConnectionReset,
        io::ErrorKind::BrokenPipe => ErrorKind::BrokenPipe,
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => ErrorKind::TimedOut,
        _ => ErrorKind::Other,
    }
}

impl ErrorType for Tcp {
    type Error = ErrorKind;
}

impl Read for Tcp {
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, ErrorKind> {
        self.0.read(buffer).map_err(kind)
    }
}

impl Write for Tcp {
    async fn write(&mut self, data: &[u8]) -> Result<usize, ErrorKind> {
        self.0.write(data).map_err(kind)
    }

    async fn flush(&mut self) -> Result<(), ErrorKind> {
        self.0.flush().map_err(kind)
    }
}
