//! HTTP status codes.

/// The status code of a response (RFC 9110, 15).
///
/// ```
/// use switchboard_http::{Response, StatusCode};
///
/// let response = Response::text(StatusCode::NotFound, "Nothing is here\n");
/// assert_eq!(response.status(), StatusCode::NotFound);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum StatusCode {
    /// 200.
    Ok,
    /// 206.
    PartialContent,
    /// 301.
    MovedPermanently,
    /// 304. Its response has no content.
    NotModified,
    /// 400.
    BadRequest,
    /// 404.
    NotFound,
    /// 405.
    MethodNotAllowed,
    /// 416.
    RangeNotSatisfiable,
    /// 431 (RFC 6585, 5).
    HeadersTooLarge,
    /// 500.
    InternalServerError,
    /// 503.
    ServiceUnavailable,
}

impl StatusCode {
    /// Returns the status line and the headers up to where responses differ. The text after it ends the line.
    pub(super) const fn begin(self) -> &'static str {
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
