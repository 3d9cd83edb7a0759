//! Responses, and how they are written.

mod compose;
mod date;
mod into_response;
mod status_code;
mod streamed;

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use serde::Serialize;

pub(crate) use date::CommonHeaders;
pub use date::parse_date;
pub use into_response::IntoResponse;
pub use status_code::StatusCode;

use crate::body::{Body, BodySource};
use crate::request::Methods;

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
///         let response = Response::text(StatusCode::SERVICE_UNAVAILABLE, "Not yet\n");
///         Answer::Now(response.with_header("Retry-After", "1"))
///     }
/// }
///
/// let mut network = TestNetwork::new();
/// switchboard_http::serve(network.group(), network.stack(), &Page, HttpCounters::leak());
/// let response = network.exchange(80, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n");
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
    headers: Vec<(Cow<'static, str>, Cow<'static, str>)>,
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

    /// Creates a response without a body.
    #[must_use]
    pub const fn empty(status: StatusCode) -> Self {
        Self::fixed(status, "", b"")
    }

    /// Creates a response whose body is read while it is sent. `source` has to deliver `length` bytes.
    #[must_use]
    pub fn stream(
        status: StatusCode,
        content_type: &'static str,
        length: u64,
        source: impl BodySource + 'static,
    ) -> Self {
        let body = Body::Stream { length: Some(length), source: Box::new(source) };
        Self { status, content_type, headers: Vec::new(), body }
    }

    /// Creates a response whose body is read while it is sent, in chunks, as its length is not known.
    #[must_use]
    pub fn chunked(status: StatusCode, content_type: &'static str, source: impl BodySource + 'static) -> Self {
        let body = Body::Stream { length: None, source: Box::new(source) };
        Self { status, content_type, headers: Vec::new(), body }
    }

    /// Creates a redirection to another URL, with one of the codes 301, 302, 303, 307 and 308.
    ///
    /// ```
    /// use switchboard_http::{Response, StatusCode};
    ///
    /// let response = Response::redirect(StatusCode::SEE_OTHER, "/items/7");
    /// assert_eq!(response.header("location"), Some("/items/7"));
    /// ```
    #[must_use]
    pub fn redirect(status: StatusCode, location: impl Into<Cow<'static, str>>) -> Self {
        Self::text(status, "The resource is elsewhere\n").with_header("Location", location)
    }

    /// Creates a response of a value as JSON; 500 if the value has a map with keys that are not text.
    ///
    /// ```
    /// use switchboard_http::{Body, Response, StatusCode};
    ///
    /// let response = Response::json(&[1, 2]);
    /// assert_eq!(response.status(), StatusCode::OK);
    /// assert!(matches!(response.body(), Body::Owned(json) if json == b"[1,2]"));
    /// ```
    #[must_use]
    pub fn json(value: &impl Serialize) -> Self {
        match serde_json::to_vec(value) {
            Ok(json) => Self::new(StatusCode::OK, "application/json", json),
            Err(_) => Self::text(StatusCode::INTERNAL_SERVER_ERROR, "This cannot be represented in JSON\n"),
        }
    }

    /// Adds a header. Control characters, which would end it, become spaces.
    #[must_use]
    pub fn with_header(mut self, name: impl Into<Cow<'static, str>>, value: impl Into<Cow<'static, str>>) -> Self {
        self.headers.push((clean(name.into()), clean(value.into())));
        self
    }

    /// Returns the first value of a header that was added, by its case-insensitive name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| &**value)
    }

    /// Creates the response to OPTIONS.
    #[must_use]
    pub(crate) fn options(methods: Methods) -> Self {
        Self::empty(StatusCode::NO_CONTENT).with_header("Allow", methods.to_string())
    }

    /// Creates the response to a method that a resource does not serve.
    #[must_use]
    pub(crate) fn method_not_allowed(methods: Methods) -> Self {
        let response = Self::text(StatusCode::METHOD_NOT_ALLOWED, "The resource does not serve this method\n");
        response.with_header("Allow", methods.to_string())
    }

    /// Returns the status code.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        self.status
    }

    /// Returns the content type; an empty one if there is none.
    #[must_use]
    pub const fn content_type(&self) -> &'static str {
        self.content_type
    }

    /// Returns the body.
    #[must_use]
    pub const fn body(&self) -> &Body {
        &self.body
    }

    /// Returns the body.
    pub(crate) fn into_body(self) -> Body {
        self.body
    }
}

fn clean(text: Cow<'static, str>) -> Cow<'static, str> {
    if text.bytes().any(|byte| byte.is_ascii_control()) {
        let characters = text.chars().map(|character| if character.is_ascii_control() { ' ' } else { character });
        return Cow::Owned(characters.collect::<String>());
    }
    text
}
