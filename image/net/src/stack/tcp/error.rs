//! Errors of TCP connections.

use embedded_io_async::ErrorKind;

/// Why a TCP connection ended, or could not be opened.
///
/// ```
/// use embedded_io_async::{Error, ErrorKind};
/// use switchboard_net::TcpError;
///
/// assert_eq!(TcpError::Refused.to_string(), "the peer refused the connection");
/// assert_eq!(TcpError::Reset.kind(), ErrorKind::ConnectionReset);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TcpError {
    /// The peer has reset the connection.
    #[error("the peer reset the connection")]
    Reset,
    /// The peer has not answered in time, or has kept its window closed for too long.
    #[error("the peer does not answer")]
    TimedOut,
    /// No service listens on the peer's port.
    #[error("the peer refused the connection")]
    Refused,
    /// There is no route or neighbour, a router reports so, or this interface has lost its address.
    #[error("the peer cannot be reached")]
    Unreachable,
    /// The peer has closed its side and there is no more to read, or this side is closed and cannot be written.
    #[error("the connection is closed")]
    Closed,
    /// There is no memory or no local port for another connection.
    #[error("no memory or port for another connection")]
    Exhausted,
}

impl embedded_io_async::Error for TcpError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Reset => ErrorKind::ConnectionReset,
            Self::TimedOut => ErrorKind::TimedOut,
            Self::Refused => ErrorKind::ConnectionRefused,
            Self::Unreachable => ErrorKind::AddrNotAvailable,
            Self::Closed => ErrorKind::NotConnected,
            Self::Exhausted => ErrorKind::OutOfMemory,
        }
    }
}

/// The error of a connection that has ended, for those to whom the reason does not matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("disconnected")]
pub struct Disconnected;

impl From<TcpError> for Disconnected {
    fn from(_: TcpError) -> Self {
        Self
    }
}
