//! Errors of sockets.

/// The error of creating a socket, or of binding it to a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SocketError {
    /// Port 0 is reserved (RFC 6335, 6).
    #[error("port 0 cannot be listened on")]
    InvalidPort,
    /// Another socket has the port.
    #[error("another socket has the port")]
    PortInUse,
    /// The stack has its maximum of sockets of this kind, or no memory for another.
    #[error("there is no room for another socket")]
    TooManySockets,
    /// The address is that of no multicast group.
    #[error("the address is that of no multicast group")]
    NotMulticast,
    /// The interface has its maximum of multicast groups.
    #[error("there is no room for another multicast group")]
    TooManyGroups,
    /// There is no memory for the socket's buffers.
    #[error("there is no memory for the socket")]
    NoMemory,
}
