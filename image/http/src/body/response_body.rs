//! Bodies of responses.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::pin::Pin;

use switchboard_net::Disconnected;
use switchboard_runtime::system::LocalBoxFuture;

use super::writer::BodyWriter;
use crate::connection::UpgradedStream;

/// The body of a response.
///
/// ```
/// use switchboard_http::{Body, Response, StatusCode, TEXT};
///
/// assert!(matches!(Response::fixed(StatusCode::OK, TEXT, b"hello").body(), Body::Static(b"hello")));
/// assert!(matches!(Response::new(StatusCode::OK, TEXT, "made now").body(), Body::Owned(_)));
/// ```
#[non_exhaustive]
pub enum Body {
    /// Bytes that are part of the image.
    Static(&'static [u8]),
    /// Bytes that were made for this response.
    Owned(Vec<u8>),
    /// Bytes that are read while they are sent.
    Stream {
        /// The number of bytes, which is sent ahead of them. `None` if it is not known: they are sent in chunks then, and to
        /// a client of HTTP/1.0 until the connection is closed.
        length: Option<u64>,
        /// The source of the bytes.
        source: Box<dyn BodySource>,
    },
    /// Bytes that a function writes, in chunks or of a length that is known.
    Writer(BodyFunction),
    /// No body: a function takes over the connection.
    Upgrade(UpgradeFunction),
}

/// A function that writes a body.
pub struct BodyFunction {
    function: Box<dyn FnOnce(BodyWriter) -> LocalBoxFuture<'static, Result<BodyWriter, Disconnected>>>,
    /// The number of bytes, if it is known.
    length: Option<u64>,
}

impl BodyFunction {
    pub(crate) fn new<F: Future<Output = Result<BodyWriter, Disconnected>> + 'static>(
        length: Option<u64>,
        function: impl FnOnce(BodyWriter) -> F + 'static,
    ) -> Self {
        Self { function: Box::new(|writer| Box::pin(function(writer))), length }
    }

    pub(crate) async fn call(self, writer: BodyWriter) -> Result<(), Disconnected> {
        (self.function)(writer).await?.finish().await
    }
}

/// A function that takes over a connection after the response.
pub struct UpgradeFunction(Box<dyn FnOnce(UpgradedStream) -> LocalBoxFuture<'static, ()>>);

impl UpgradeFunction {
    pub(crate) fn new<F: Future<Output = ()> + 'static>(function: impl FnOnce(UpgradedStream) -> F + 'static) -> Self {
        Self(Box::new(|stream| Box::pin(function(stream))))
    }

    pub(crate) async fn call(self, stream: UpgradedStream) {
        (self.0)(stream).await;
    }
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
///         Answer::Now(Response::stream(StatusCode::OK, TEXT, 3, Countdown(3, [0])))
///     }
/// }
///
/// let mut network = TestNetwork::new();
/// switchboard_http::serve(network.group(), network.stack(), &Page, HttpCounters::leak());
/// assert!(network.exchange(80, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").ends_with(b"\r\n\r\n210"));
/// ```
pub trait BodySource {
    /// Reads the next part; an empty one at the end. `None` for an error: the connection is reset then, so that the client
    /// detects that the body is incomplete.
    fn next(&mut self) -> Pin<Box<dyn Future<Output = Option<&[u8]>> + '_>>;

    /// Returns the trailers (RFC 9112, 7.1.2), which are sent after the last part if the body is sent in chunks.
    fn trailers(&mut self) -> Vec<(String, String)> {
        Vec::new()
    }
}

impl Body {
    /// Returns the number of bytes; `None` if it is not known.
    pub(crate) fn length(&self) -> Option<u64> {
        match self {
            Self::Static(body) => Some(body.len() as u64),
            Self::Owned(body) => Some(body.len() as u64),
            Self::Stream { length, .. } => *length,
            Self::Writer(function) => function.length,
            Self::Upgrade(_) => Some(0),
        }
    }

    /// Returns the bytes that are at hand; `None` if they are made while they are sent.
    pub(crate) fn bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Static(body) => Some(body),
            Self::Owned(body) => Some(body),
            Self::Stream { .. } | Self::Writer(_) | Self::Upgrade(_) => None,
        }
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Static(body) => write!(f, "{} bytes", body.len()),
            Self::Owned(body) => write!(f, "{} bytes", body.len()),
            Self::Stream { length: Some(length), .. } => write!(f, "{length} bytes, to be read"),
            Self::Stream { length: None, .. } | Self::Writer(_) => f.write_str("bytes, to be made"),
            Self::Upgrade(_) => f.write_str("the connection"),
        }
    }
}

impl fmt::Debug for BodyFunction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BodyFunction")
    }
}

impl fmt::Debug for UpgradeFunction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UpgradeFunction")
    }
}
