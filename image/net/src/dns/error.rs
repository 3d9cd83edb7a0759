//! Why a name could not be resolved.

use embedded_io_async::ErrorKind;

/// The error of a look-up.
///
/// ```
/// use switchboard_net::ResolveError;
///
/// assert_eq!(ResolveError::NotFound.to_string(), "the name does not exist");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ResolveError {
    /// The text is not a name: an empty label, one of more than 63 bytes, another character.
    #[error("not a host name")]
    InvalidName,
    /// No DNS server is configured.
    #[error("no DNS server is configured")]
    NoServer,
    /// A server has answered that there is no such name.
    #[error("the name does not exist")]
    NotFound,
    /// The name exists, but has no address of the requested kind.
    #[error("the name has no address")]
    NoAddress,
    /// No server has answered in time.
    #[error("no server has answered")]
    TimedOut,
    /// All servers have failed or refused to answer.
    #[error("the servers have failed")]
    ServerFailure,
    /// The stack has no socket left for the query.
    #[error("no socket for the query")]
    NoSocket,
    /// A name does not fit into the caller's buffer.
    #[error("the name is longer than the buffer")]
    BufferTooSmall,
}

impl embedded_io_async::Error for ResolveError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::InvalidName | Self::BufferTooSmall => ErrorKind::InvalidInput,
            Self::NotFound | Self::NoAddress => ErrorKind::NotFound,
            Self::NoServer => ErrorKind::AddrNotAvailable,
            Self::TimedOut => ErrorKind::TimedOut,
            Self::ServerFailure => ErrorKind::Other,
            Self::NoSocket => ErrorKind::OutOfMemory,
        }
    }
}
