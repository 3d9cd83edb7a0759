//! Errors of TLS streams.

use embedded_io_async::{Error, ErrorKind};
use switchboard_runtime::entropy::Unfit;

/// The error of a TLS stream over a transport with errors `E`.
///
/// ```
/// use embedded_io_async::{Error, ErrorKind};
/// use switchboard_tls::TlsError;
///
/// let error: TlsError<ErrorKind> = TlsError::UnexpectedEof;
/// assert_eq!(error.to_string(), "the peer closed the connection without ending TLS: data may be missing");
/// assert_eq!(error.kind(), ErrorKind::ConnectionAborted);
/// ```
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError<E> {
    /// The transport failed.
    #[error("the transport failed: {0}")]
    Transport(E),
    /// The peer violates the protocol, has a certificate that is refused, or has sent an alert. An alert was sent to it
    /// where the protocol has one.
    #[error("TLS: {0}")]
    Protocol(rustls::Error),
    /// The transport ended without the end of TLS, so data may have been cut off by a third party.
    #[error("the peer closed the connection without ending TLS: data may be missing")]
    UnexpectedEof,
    /// The handshake was not complete in time.
    #[error("the handshake was not complete in time")]
    TimedOut,
    /// There is no memory for the connection, or the peer sends a message that is too large.
    #[error("no memory for the connection")]
    OutOfMemory,
    /// This end has closed the stream.
    #[error("the stream is closed")]
    Closed,
}

// Without `std`, rustls' error is none of `core`, so these are written out.
impl<E> From<rustls::Error> for TlsError<E> {
    fn from(error: rustls::Error) -> Self {
        Self::Protocol(error)
    }
}

impl From<rustls::Error> for SetupError {
    fn from(error: rustls::Error) -> Self {
        Self::Invalid(error)
    }
}

impl<E: Error> Error for TlsError<E> {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Transport(error) => error.kind(),
            Self::Protocol(_) => ErrorKind::InvalidData,
            Self::UnexpectedEof => ErrorKind::ConnectionAborted,
            Self::TimedOut => ErrorKind::TimedOut,
            Self::OutOfMemory => ErrorKind::OutOfMemory,
            Self::Closed => ErrorKind::NotConnected,
        }
    }
}

/// The reason why TLS cannot be set up.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// Keys would be predictable.
    #[error("random numbers are unfit for keys: {0}")]
    Entropy(#[from] Unfit),
    /// There is no certificate in the text.
    #[error("no certificate: PEM with BEGIN CERTIFICATE is expected")]
    NoCertificate,
    /// There is no private key in the text.
    #[error("no private key: PEM with BEGIN PRIVATE KEY, without a passphrase, is expected")]
    NoKey,
    /// The certificates or the key are not usable, or not of each other.
    #[error("certificate or key: {0}")]
    Invalid(rustls::Error),
}
