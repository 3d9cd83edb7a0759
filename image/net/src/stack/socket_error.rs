//! Errors of sockets.

/// The error of creating a socket, or of binding it to a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SocketError {
    /// Port 0 is reserved (RFC 6335, 6).
    #[error("port 0 cannot be listened on")]
    InvalidPort,
    /// Another listener has the port.
    #[error("another listener has the port")]
    PortInUse,
    /// There is no memory for another socket.
    #[error("there is no memory for another socket")]
    TooManySockets,
}
