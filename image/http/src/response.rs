//! Responses: what they are made of, and how they are written.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::pin::Pin;

use itoa::Buffer;
use serde::Serialize;

use super::head::{Fault, Framing, Method};

/// How a request ended (RFC 9110, 15).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// 200.
    Ok,
    /// 206.
    PartialContent,
    /// 301.
    MovedPermanently,
    /// 304.
    NotModified,
    /// 400.
    BadRequest,
    /// 404.
    NotFound,
    /// 405.
    MethodNotAllowed,
    /// 416.
    RangeNotSatisfiable,
    /// 431.
    HeadersTooLarge,
    /// 500.
    InternalServerError,
    /// 503.
    ServiceUnavailable,
}

impl Status {
    /// The status line, and as far into the headers as all responses are alike. Each line is ended by what follows.
    const fn begin(self) -> &'static str {
        match self {
            Self::Ok => "HTTP/1.1 200 OK\r\nContent-Type: ",
            Self::PartialContent => "HTTP/1.1 206 Partial Content\r\nContent-Type: ",
            Self::MovedPermanently => "HTTP/1.1 301 Moved Permanently\r\nContent-Type: ",
            Self::NotModified => "HTTP/1.1 304 Not Modified",
            Self::BadRequest => "HTTP/1.1 400 Bad Request\r\nContent-Type: ",
            Self::NotFound => "HTTP/1.1 404 Not Found\r\nContent-Type: ",
            Self::MethodNotAllowed => "HTTP/1.1 405 Method Not Allowed\r\nContent-Type: ",
            Self::RangeNotSatisfiable => "HTTP/1.1 416 Range Not Satisfiable\r\nContent-Type: ",
            Self::HeadersTooLarge => "HTTP/1.1 431 Request Header Fields Too Large\r\nContent-Type: ",
            Self::InternalServerError => "HTTP/1.1 500 Internal Server Error\r\nContent-Type: ",
            Self::ServiceUnavailable => "HTTP/1.1 503 Service Unavailable\r\nContent-Type: ",
        }
    }
}

/// Plain text.
pub const TEXT: &str = "text/plain; charset=utf-8";
/// A page.
pub const HTML: &str = "text/html; charset=utf-8";

/// A response.
#[derive(Debug)]
pub struct Response {
    status: Status,
    content_type: &'static str,
    headers: Vec<(&'static str, String)>,
    body: Body,
}

/// What a response carries.
pub enum Body {
    /// What is part of the image.
    Static(&'static [u8]),
    /// What was made for it.
    Owned(Vec<u8>),
    /// What is still being read.
    Stream {
        /// Its bytes, all of which are promised.
        length: u64,
        /// Where they come from.
        source: Box<dyn Source>,
    },
}

/// Where the bytes of a body come from, a part at a time.
pub trait Source {
    /// The next part; an empty one at the end. `None` when it cannot go on: then the connection is reset, so that the
    /// client sees that it did not get all.
    fn next(&mut self) -> Pin<Box<dyn Future<Output = Option<&[u8]>> + '_>>;
}

impl Response {
    /// A response with a body that is part of the image.
    #[must_use]
    pub const fn fixed(status: Status, content_type: &'static str, body: &'static [u8]) -> Self {
        Self { status, content_type, headers: Vec::new(), body: Body::Static(body) }
    }

    /// A line of text, for people.
    #[must_use]
    pub const fn text(status: Status, text: &'static str) -> Self {
        Self::fixed(status, TEXT, text.as_bytes())
    }

    /// A response with a body that was made for it.
    #[must_use]
    pub fn new(status: Status, content_type: &'static str, body: impl Into<Vec<u8>>) -> Self {
        Self { status, content_type, headers: Vec::new(), body: Body::Owned(body.into()) }
    }

    /// A response whose body is read while it is sent.
    #[must_use]
    pub fn stream(status: Status, content_type: &'static str, length: u64, source: impl Source + 'static) -> Self {
        let body = Body::Stream { length, source: Box::new(source) };
        Self { status, content_type, headers: Vec::new(), body }
    }

    /// A value as JSON.
    #[must_use]
    pub fn json(value: &impl Serialize) -> Self {
        match serde_json::to_vec(value) {
            Ok(json) => Self::new(Status::Ok, "application/json", json),
            // A map with keys that are no text, which nothing here has.
            Err(_) => Self::text(Status::InternalServerError, "This cannot be said in JSON\n"),
        }
    }

    /// Adds a header.
    #[must_use]
    pub fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Splits it into what is written at once, and what comes piece by piece.
    pub(super) fn into_stream(self) -> Option<Box<dyn Source>> {
        match self.body {
            Body::Stream { source, .. } => Some(source),
            Body::Static(_) | Body::Owned(_) => None,
        }
    }

    /// What is sent with the head, in one piece with it.
    fn at_hand(&self, framing: Framing) -> &[u8] {
        match &self.body {
            _ if framing.method == Method::Head => &[],
            Body::Static(body) => body,
            Body::Owned(body) => body,
            Body::Stream { .. } => &[],
        }
    }

    /// Writes all that is at hand into `out`, if there is room; says how many bytes.
    pub(super) fn write(&self, framing: Framing, out: &mut [u8]) -> Option<usize> {
        let mut room = Room { out, used: 0 };
        self.write_head(framing, &mut |piece| room.push(piece))?;
        room.push(self.at_hand(framing))?;
        Some(room.used)
    }

    /// All that is at hand.
    pub(super) fn to_bytes(&self, framing: Framing) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(256);
        self.write_head(framing, &mut |piece| {
            bytes.extend_from_slice(piece);
            Some(())
        });
        bytes.extend_from_slice(self.at_hand(framing));
        bytes
    }

    fn write_head(&self, framing: Framing, push: &mut impl FnMut(&[u8]) -> Option<()>) -> Option<()> {
        push(self.status.begin().as_bytes())?;
        // Without content, and without a length, which would be that of the content (RFC 9110, 8.6).
        if self.status != Status::NotModified {
            let length = match &self.body {
                Body::Static(body) => body.len() as u64,
                Body::Owned(body) => body.len() as u64,
                Body::Stream { length, .. } => *length,
            };
            push(self.content_type.as_bytes())?;
            push(b"\r\nContent-Length: ")?;
            push(Buffer::new().format(length).as_bytes())?;
        }
        for (name, value) in &self.headers {
            push(b"\r\n")?;
            push(name.as_bytes())?;
            push(b": ")?;
            push(value.as_bytes())?;
        }
        push(match framing {
            Framing { keeps_alive: false, .. } => b"\r\nConnection: close\r\n\r\n",
            Framing { is_old: true, .. } => b"\r\nConnection: keep-alive\r\n\r\n",
            _ => b"\r\n\r\n",
        })
    }
}

impl From<Fault> for Response {
    fn from(Fault { status, text }: Fault) -> Self {
        Self::text(status, text)
    }
}

/// A buffer that is filled piece by piece.
struct Room<'a> {
    out: &'a mut [u8],
    used: usize,
}

impl Room<'_> {
    fn push(&mut self, piece: &[u8]) -> Option<()> {
        let end = self.used + piece.len();
        self.out.get_mut(self.used..end)?.copy_from_slice(piece);
        self.used = end;
        Some(())
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
