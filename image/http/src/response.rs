//! Responses, and how they are written.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use itoa::Buffer;
use serde::Serialize;

use crate::body::{Body, BodySource};
use crate::head::{Framing, Method, RequestError};
use crate::status_code::StatusCode;

/// The content type of plain text.
pub const TEXT: &str = "text/plain; charset=utf-8";
/// The content type of a page.
pub const HTML: &str = "text/html; charset=utf-8";

/// A response: a status code, headers and a body. The server adds the headers that frame it.
///
/// ```
/// use switchboard_http::{Answer, HttpCounters, Request, Response, Site, StatusCode};
/// use switchboard_net_testing::TestNetwork;
///
/// struct Page;
///
/// impl Site for Page {
///     fn answer(&'static self, _request: &Request<'_>) -> Answer {
///         let response = Response::text(StatusCode::ServiceUnavailable, "Not yet\n");
///         Answer::Now(response.with_header("Retry-After", "1"))
///     }
/// }
///
/// let mut network = TestNetwork::new();
/// switchboard_http::serve(network.group(), network.stack(), &Page, HttpCounters::leak());
/// let response = network.exchange(80, b"GET / HTTP/1.1\r\n\r\n");
/// assert_eq!(
///     String::from_utf8_lossy(&response),
///     "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\n\
///      Content-Length: 8\r\nRetry-After: 1\r\n\r\nNot yet\n"
/// );
/// ```
#[derive(Debug)]
pub struct Response {
    status: StatusCode,
    content_type: &'static str,
    headers: Vec<(&'static str, String)>,
    body: Body,
}

impl Response {
    /// Creates a response with a body that is part of the image. Allocates nothing.
    #[must_use]
    pub const fn fixed(status: StatusCode, content_type: &'static str, body: &'static [u8]) -> Self {
        Self { status, content_type, headers: Vec::new(), body: Body::Static(body) }
    }

    /// Creates a response of a line of plain text. Allocates nothing.
    #[must_use]
    pub const fn text(status: StatusCode, text: &'static str) -> Self {
        Self::fixed(status, TEXT, text.as_bytes())
    }

    /// Creates a response with a body that was made for it.
    #[must_use]
    pub fn new(status: StatusCode, content_type: &'static str, body: impl Into<Vec<u8>>) -> Self {
        Self { status, content_type, headers: Vec::new(), body: Body::Owned(body.into()) }
    }

    /// Creates a response whose body is read while it is sent. `source` has to deliver `length` bytes.
    #[must_use]
    pub fn stream(
        status: StatusCode,
        content_type: &'static str,
        length: u64,
        source: impl BodySource + 'static,
    ) -> Self {
        let body = Body::Stream { length, source: Box::new(source) };
        Self { status, content_type, headers: Vec::new(), body }
    }

    /// Creates a response of a value as JSON; 500 if the value has a map with keys that are not text.
    ///
    /// ```
    /// use switchboard_http::{Body, Response, StatusCode};
    ///
    /// let response = Response::json(&[1, 2]);
    /// assert_eq!(response.status(), StatusCode::Ok);
    /// assert!(matches!(response.body(), Body::Owned(json) if json == b"[1,2]"));
    /// ```
    #[must_use]
    pub fn json(value: &impl Serialize) -> Self {
        match serde_json::to_vec(value) {
            Ok(json) => Self::new(StatusCode::Ok, "application/json", json),
            Err(_) => Self::text(StatusCode::InternalServerError, "This cannot be represented in JSON\n"),
        }
    }

    /// Adds a header.
    #[must_use]
    pub fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Returns the status code.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        self.status
    }

    /// Returns the body.
    #[must_use]
    pub const fn body(&self) -> &Body {
        &self.body
    }

    /// Takes the source of a streamed body out; `None` for any other body, which [`write`](Self::write) includes.
    pub(super) fn into_stream(self) -> Option<Box<dyn BodySource>> {
        match self.body {
            Body::Stream { source, .. } => Some(source),
            Body::Static(_) | Body::Owned(_) => None,
        }
    }

    /// Returns the part of the body that is written together with the head.
    fn immediate_body(&self, framing: Framing) -> &[u8] {
        match &self.body {
            _ if framing.method == Method::Head => &[],
            Body::Static(body) => body,
            Body::Owned(body) => body,
            Body::Stream { .. } => &[],
        }
    }

    /// Writes the head and a body that is not streamed into `out`. Returns the number of bytes; `None` if there is too little
    /// room.
    pub(super) fn write(&self, framing: Framing, out: &mut [u8]) -> Option<usize> {
        let mut writer = SliceWriter { out, written: 0 };
        self.write_head(framing, &mut |piece| writer.push(piece))?;
        writer.push(self.immediate_body(framing))?;
        Some(writer.written)
    }

    /// Returns what [`write`](Self::write) writes.
    pub(super) fn to_bytes(&self, framing: Framing) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(256);
        self.write_head(framing, &mut |piece| {
            bytes.extend_from_slice(piece);
            Some(())
        });
        bytes.extend_from_slice(self.immediate_body(framing));
        bytes
    }

    fn write_head(&self, framing: Framing, push: &mut impl FnMut(&[u8]) -> Option<()>) -> Option<()> {
        push(self.status.begin().as_bytes())?;
        // 304 has no content, and its length would be that of the content that is not sent (RFC 9110, 8.6).
        if self.status != StatusCode::NotModified {
            push(self.content_type.as_bytes())?;
            push(b"\r\nContent-Length: ")?;
            push(Buffer::new().format(self.body.length()).as_bytes())?;
        }
        for (name, value) in &self.headers {
            push(b"\r\n")?;
            push(name.as_bytes())?;
            push(b": ")?;
            push(value.as_bytes())?;
        }
        push(match framing {
            Framing { keeps_alive: false, .. } => b"\r\nConnection: close\r\n\r\n",
            Framing { is_http_1_0: true, .. } => b"\r\nConnection: keep-alive\r\n\r\n",
            _ => b"\r\n\r\n",
        })
    }
}

impl From<RequestError> for Response {
    fn from(RequestError { status, text }: RequestError) -> Self {
        Self::text(status, text)
    }
}

/// A buffer that is filled piece by piece.
struct SliceWriter<'a> {
    out: &'a mut [u8],
    written: usize,
}

impl SliceWriter<'_> {
    fn push(&mut self, piece: &[u8]) -> Option<()> {
        let end = self.written + piece.len();
        self.out.get_mut(self.written..end)?.copy_from_slice(piece);
        self.written = end;
        Some(())
    }
}
