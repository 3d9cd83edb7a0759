//! The byte stream below HTTP, with a timeout.

use switchboard_net::Disconnected;
#[cfg(doc)]
use switchboard_net::TcpSocket;

/// A timeout in seconds. It expires up to a second later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TimeoutSeconds(pub(super) u64);

/// For the first request of a connection to begin.
pub(super) const FIRST_REQUEST_TIMEOUT: TimeoutSeconds = TimeoutSeconds(10);
/// For the next request of a connection to begin.
pub(super) const KEEP_ALIVE_TIMEOUT: TimeoutSeconds = TimeoutSeconds(15);
/// For more of a head or a body that has begun.
pub(super) const READ_TIMEOUT: TimeoutSeconds = TimeoutSeconds(5);
/// For the peer to receive a part of a response.
pub(super) const WRITE_TIMEOUT: TimeoutSeconds = TimeoutSeconds(15);
/// For the peer to close its side after a timeout has closed ours.
pub(super) const CLOSE_TIMEOUT: TimeoutSeconds = TimeoutSeconds(3);

/// A connection that carries requests and responses.
pub(super) trait Transport {
    /// As [`TcpSocket::read_with`].
    async fn read_with<R>(&self, read: impl FnOnce(&mut [u8]) -> (usize, R)) -> Result<R, Disconnected>;
    /// As [`TcpSocket::write_with`].
    async fn write_with<R>(&self, write: impl FnOnce(&mut [u8]) -> (usize, R)) -> Result<R, Disconnected>;
    /// Restarts the connection's timeout.
    fn set_timeout(&self, timeout: TimeoutSeconds);
    /// As [`TcpSocket::abort`].
    fn abort(&self);
}
