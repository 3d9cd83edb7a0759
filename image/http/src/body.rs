//! Bodies of responses.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;
use core::pin::Pin;

/// The body of a response.
///
/// ```
/// use switchboard_http::{Body, Response, StatusCode, TEXT};
///
/// assert!(matches!(Response::fixed(StatusCode::Ok, TEXT, b"hello").body(), Body::Static(b"hello")));
/// assert!(matches!(Response::new(StatusCode::Ok, TEXT, "made now").body(), Body::Owned(_)));
/// ```
pub enum Body {
    /// Bytes that are part of the image.
    Static(&'static [u8]),
    /// Bytes that were made for this response.
    Owned(Vec<u8>),
    /// Bytes that are read while they are sent.
    Stream {
        /// The number of bytes, which is sent ahead of them.
        length: u64,
        /// The source of the bytes.
        source: Box<dyn BodySource>,
    },
}

/// A source of the bytes of a streamed body, one part at a time.
///
/// ```
/// use core::pin::Pin;
/// use switchboard_http::{Answer, BodySource, HttpCounters, Request, Response, Site, StatusCode, TEXT};
/// use switchboard_net_testing::TestNetwork;
///
/// /// Counts down to zero.
/// struct Countdown(u8, [u8; 1]);
///
/// impl BodySource for Countdown {
///     fn next(&mut self) -> Pin<Box<dyn Future<Output = Option<&[u8]>> + '_>> {
///         let Some(digit) = self.0.checked_sub(1) else { return Box::pin(async { Some(&[][..]) }) };
///         (self.0, self.1) = (digit, [b'0' + digit]);
///         Box::pin(async { Some(&self.1[..]) })
///     }
/// }
///
/// struct Page;
///
/// impl Site for Page {
///     fn answer(&'static self, _request: &Request<'_>) -> Answer {
///         Answer::Now(Response::stream(StatusCode::Ok, TEXT, 3, Countdown(3, [0])))
///     }
/// }
///
/// let mut network = TestNetwork::new();
/// switchboard_http::serve(network.group(), network.stack(), &Page, HttpCounters::leak());
/// assert!(network.exchange(80, b"GET / HTTP/1.1\r\n\r\n").ends_with(b"\r\n\r\n210"));
/// ```
pub trait BodySource {
    /// Reads the next part; an empty one at the end. `None` for an error: the connection is reset then, so that the client
    /// detects that the body is incomplete.
    fn next(&mut self) -> Pin<Box<dyn Future<Output = Option<&[u8]>> + '_>>;
}

impl Body {
    /// Returns the number of bytes.
    pub(super) fn length(&self) -> u64 {
        match self {
            Self::Static(body) => body.len() as u64,
            Self::Owned(body) => body.len() as u64,
            Self::Stream { length, .. } => *length,
        }
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Static(body) => write!(f, "{} bytes", body.len()),
            Self::Owned(body) => write!(f, "{} bytes", body.len()),
            Self::Stream { length, .. } => write!(f, "{length} bytes, to be read"),
        }
    }
}
