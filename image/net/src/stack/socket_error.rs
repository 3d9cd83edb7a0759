//! Errors of sockets.

/// The error of creating a socket, or of binding it to a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SocketError {
    /// Port 0 is reserved (RFC 6335, 6).
    #[error("port 0 cannot be listened on")]
    InvalidPort,
    /// The stack has its maximum of 512 sockets.
    #[error("the stack has no room for another socket")]
    TooManySockets,
}

/// The error of a connection that was reset or has timed out, or whose peer has closed its side when there is no more to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("disconnected")]
pub struct Disconnected;
