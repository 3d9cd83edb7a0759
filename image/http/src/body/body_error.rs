//! Errors of bodies.

use crate::response::{Response, StatusCode};

/// The error of reading the body of a request. As a [`Response`] it is what the client should receive.
///
/// ```
/// use switchboard_http::{BodyError, Response, StatusCode};
///
/// assert_eq!(Response::from(BodyError::TooLarge { limit: 10 }).status(), StatusCode::CONTENT_TOO_LARGE);
/// assert_eq!(Response::from(BodyError::TimedOut).status(), StatusCode::REQUEST_TIMEOUT);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BodyError {
    /// The body is longer than permitted.
    #[error("the body is longer than {limit} bytes")]
    TooLarge {
        /// The maximum number of bytes.
        limit: usize,
    },
    /// The chunks or the trailers are invalid.
    #[error("the body is malformed: {0}")]
    Malformed(&'static str),
    /// The client sends too slowly.
    #[error("the body was not sent in time")]
    TimedOut,
    /// The client has disconnected within the body, or the response was sent before.
    #[error("disconnected")]
    Disconnected,
    /// There is no memory for the body.
    #[error("out of memory")]
    NoMemory,
}

impl From<BodyError> for Response {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::TooLarge { .. } => Self::text(StatusCode::CONTENT_TOO_LARGE, "The body is too long\n"),
            BodyError::Malformed(text) => Self::text(StatusCode::BAD_REQUEST, text),
            BodyError::TimedOut => Self::text(StatusCode::REQUEST_TIMEOUT, "The body was not sent in time\n"),
            BodyError::Disconnected => Self::text(StatusCode::BAD_REQUEST, "The body is cut off\n"),
            BodyError::NoMemory => {
                let response = Self::text(StatusCode::SERVICE_UNAVAILABLE, "The server is out of memory\n");
                response.with_header("Retry-After", "1")
            }
        }
    }
}

impl embedded_io_async::Error for BodyError {
    fn kind(&self) -> embedded_io_async::ErrorKind {
        use embedded_io_async::ErrorKind;
        match self {
            Self::TooLarge { .. } | Self::Malformed(_) => ErrorKind::InvalidData,
            Self::TimedOut => ErrorKind::TimedOut,
            Self::Disconnected => ErrorKind::ConnectionAborted,
            Self::NoMemory => ErrorKind::OutOfMemory,
        }
    }
}
