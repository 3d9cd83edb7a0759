//! Requests: their heads, in the socket's receive buffer or owned.

mod framing;
mod head;
mod method;
mod parse;
mod query;
mod request_error;
mod target;
mod usual;

use core::fmt;

pub(crate) use framing::{BodyLength, Framing};
pub use head::RequestHead;
pub use method::{Method, Methods};
pub(crate) use parse::{MAX_HEAD_BYTES, may_end, parse};
pub use query::{QueryPairs, percent_decode};
pub(crate) use request_error::RequestError;

use crate::body::RequestBody;

/// The head of a request, in the socket's receive buffer.
///
/// ```
/// use switchboard_http::{Answer, HttpCounters, Request, Response, Site, StatusCode};
/// use switchboard_net_testing::TestNetwork;
///
/// struct Page;
///
/// impl Site for Page {
///     fn answer(&'static self, request: &Request<'_>) -> Answer {
///         assert_eq!(request.path, "/a%20b");
///         assert_eq!(request.query(), Some("c=d"));
///         assert_eq!(request.header("ACCEPT"), Some("text/html"));
///         assert_eq!(request.header("cookie"), None);
///         Answer::Now(Response::text(StatusCode::OK, "fine"))
///     }
/// }
///
/// let mut network = TestNetwork::new();
/// switchboard_http::serve(network.group(), network.stack(), &Page, HttpCounters::leak());
/// let response = network.exchange(80, b"GET /a%20b?c=d HTTP/1.1\r\nHost: x\r\nAccept: text/html\r\n\r\n");
/// assert!(response.ends_with(b"fine"));
/// ```
#[non_exhaustive]
pub struct Request<'a> {
    /// The method.
    pub method: Method,
    /// The path in its normal form (RFC 3986, 6.2.2): percent-encoded, but for what needs no encoding; without the query.
    pub path: &'a str,
    parts: &'a RequestParts<'a>,
    framing: Framing,
    body: &'a dyn OpenBody,
}

/// A header: its name, which is a token, and its value without the spaces around it.
#[derive(Debug, Clone, Copy)]
struct Header<'a> {
    name: &'a [u8],
    value: &'a [u8],
}

const NO_HEADER: Header<'_> = Header { name: &[], value: &[] };

/// What a head consists of.
pub(crate) struct RequestParts<'a> {
    pub(crate) method: Method,
    pub(crate) path: &'a str,
    method_name: &'a str,
    query: Option<&'a str>,
    authority: Option<&'a str>,
    headers: &'a [Header<'a>],
}

/// The connection of a request, whose body it can open.
pub(crate) trait OpenBody {
    /// Returns the body, which begins after the head.
    fn open_body(&self) -> RequestBody;
}

/// No body, for requests that are made by tests.
struct EmptyBody;

impl OpenBody for EmptyBody {
    fn open_body(&self) -> RequestBody {
        RequestBody::empty()
    }
}

impl<'a> Request<'a> {
    pub(crate) fn new(parts: &'a RequestParts<'a>, framing: Framing, body: &'a dyn OpenBody) -> Self {
        Self { method: parts.method, path: parts.path, parts, framing, body }
    }

    /// Returns the method as it was sent.
    #[must_use]
    pub const fn method_name(&self) -> &'a str {
        self.parts.method_name
    }

    /// Returns the query as it was sent, without its `?`; `None` without one.
    #[must_use]
    pub const fn query(&self) -> Option<&'a str> {
        self.parts.query
    }

    /// Returns the pairs of the query, decoded.
    #[must_use]
    pub fn query_pairs(&self) -> QueryPairs<'a> {
        QueryPairs::new(self.parts.query.unwrap_or_default())
    }

    /// Returns the first value of a header by its case-insensitive name; `None` if it is absent or not UTF-8.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&'a str> {
        let name = name.as_bytes();
        let header = self.parts.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name))?;
        core::str::from_utf8(header.value).ok()
    }

    /// Returns all headers in the order in which they were sent.
    pub fn headers(&self) -> impl Iterator<Item = (&'a str, &'a [u8])> + use<'a> {
        let name = |header: &Header<'a>| core::str::from_utf8(header.name).unwrap_or_default();
        self.parts.headers.iter().map(move |header| (name(header), header.value))
    }

    /// Returns the host, and the port if there is one, that the request was sent to: of the target, else of the Host header.
    #[must_use]
    pub fn host(&self) -> Option<&'a str> {
        self.parts.authority.or_else(|| self.header("host"))
    }

    /// Returns whether the client uses HTTP/1.0.
    #[must_use]
    pub const fn is_http_1_0(&self) -> bool {
        self.framing.is_http_1_0
    }

    /// Returns the length of the body; `None` if it is sent in chunks, and so not known yet.
    #[must_use]
    pub const fn body_length(&self) -> Option<u64> {
        match self.framing.body {
            BodyLength::Known(length) => Some(length),
            BodyLength::Chunked => None,
        }
    }

    /// Returns the body, to be read by a future: see [`RequestBody`].
    #[must_use]
    pub fn body(&self) -> RequestBody {
        self.body.open_body()
    }

    /// Returns a copy of the head that outlives the receive buffer, for a future.
    #[must_use]
    pub fn to_head(&self) -> RequestHead {
        RequestHead::new(self)
    }
}

impl fmt::Debug for Request<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request").field("method", &self.method).field("path", &self.path).finish_non_exhaustive()
    }
}
