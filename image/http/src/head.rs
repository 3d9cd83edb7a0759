//! The head of a request: parsed by `httparse`, and refused when its framing is ambiguous.
//!
//! With an ambiguous framing it is unclear where the next request begins: with an invalid length, or two of them, the body
//! of one request could be taken for the next request (request smuggling, RFC 9112, 11.2).

use core::mem::MaybeUninit;

use httparse::{Error, Header, Status as Parsed};

use crate::status_code::StatusCode;

/// The maximum number of headers of a request.
const MAX_HEADERS: usize = 32;

/// The method of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    Get,
    /// As GET, without the body of the response.
    Head,
    Other,
}

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
///         assert_eq!(request.header("ACCEPT"), Some("text/html"));
///         assert_eq!(request.header("host"), None);
///         Answer::Now(Response::text(StatusCode::Ok, "fine"))
///     }
/// }
///
/// let mut network = TestNetwork::new();
/// switchboard_http::serve(network.group(), network.stack(), &Page, HttpCounters::leak());
/// let response = network.exchange(80, b"GET /a%20b?c=d HTTP/1.1\r\nAccept: text/html\r\n\r\n");
/// assert!(response.ends_with(b"fine"));
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct Request<'a> {
    /// The path as it was sent: percent-encoded, without the query.
    pub path: &'a str,
    headers: &'a [Header<'a>],
}

impl<'a> Request<'a> {
    /// Returns the value of a header by its case-insensitive name; `None` if it is absent or not UTF-8.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&'a str> {
        let header = self.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name))?;
        core::str::from_utf8(header.value).ok()
    }
}

/// The framing of a request, and whether the connection is kept alive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Framing {
    pub(super) method: Method,
    /// The length of the head.
    pub(super) head_bytes: usize,
    /// The length of the body, which is skipped.
    pub(super) body_bytes: u64,
    /// Whether the client uses HTTP/1.0, which closes by default: a response has to state that the connection is kept alive.
    pub(super) is_http_1_0: bool,
    pub(super) keeps_alive: bool,
}

/// The reason to refuse a request, as it is sent to the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RequestError {
    pub(super) status: StatusCode,
    pub(super) text: &'static str,
}

const fn bad_request(text: &'static str) -> RequestError {
    RequestError { status: StatusCode::BadRequest, text }
}

pub(super) const TOO_LARGE: RequestError =
    RequestError { status: StatusCode::HeadersTooLarge, text: "The head is too long\n" };

/// Parses the head at the beginning of `data`, and calls `act` with the request. Returns `None` for an incomplete head.
pub(super) fn parse<R>(
    data: &[u8],
    act: impl FnOnce(&Request<'_>, Framing) -> R,
) -> Result<Option<(Framing, R)>, RequestError> {
    let mut headers = [const { MaybeUninit::uninit() }; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut []);
    let head_bytes = match request.parse_with_uninit_headers(data, &mut headers) {
        Ok(Parsed::Complete(length)) => length,
        Ok(Parsed::Partial) => return Ok(None),
        Err(Error::TooManyHeaders) => return Err(TOO_LARGE),
        Err(Error::Version) => return Err(bad_request("Unknown HTTP version\n")),
        Err(Error::HeaderName) => return Err(bad_request("Bad header name\n")),
        Err(_) => return Err(bad_request("Not an HTTP request\n")),
    };
    // All three are present in a complete head.
    let (Some(method), Some(target), Some(version)) = (request.method, request.path, request.version) else {
        return Err(bad_request("Not an HTTP request\n"));
    };
    if !target.starts_with('/') {
        return Err(bad_request("The target is not a path\n"));
    }
    let method = match method {
        "GET" => Method::Get,
        "HEAD" => Method::Head,
        _ => Method::Other,
    };
    let is_http_1_0 = version == 0;
    let mut framing = Framing { method, head_bytes, body_bytes: 0, is_http_1_0, keeps_alive: !is_http_1_0 };
    check(request.headers, &mut framing)?;
    // By bytes: a target is ASCII, and a search for a character is optimized for longer texts.
    let path = target.bytes().position(|byte| byte == b'?').map_or(target, |end| &target[..end]);
    let result = act(&Request { path, headers: request.headers }, framing);
    Ok(Some((framing, result)))
}

fn check(headers: &[Header<'_>], framing: &mut Framing) -> Result<(), RequestError> {
    let mut length = None;
    for Header { name, value } in headers {
        // By length first: most headers are none of these.
        match name.len() {
            0 => return Err(bad_request("Bad header name\n")),
            10 if is(name, "Connection") => framing.keeps_alive = keeps_alive(value, framing.keeps_alive),
            14 if is(name, "Content-Length") => {
                let is_number = !value.is_empty() && value.len() < 16 && value.iter().all(u8::is_ascii_digit);
                if !is_number || length.replace(*value).is_some_and(|other| other != *value) {
                    return Err(bad_request("Bad Content-Length\n"));
                }
                framing.body_bytes = value.iter().fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0'));
            }
            17 if is(name, "Transfer-Encoding") => {
                return Err(bad_request("Transfer-Encoding is not supported in requests\n"));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Returns whether `name` is that header, ignoring case. The exact spelling is the usual case, and fast to compare.
fn is(name: &str, header: &str) -> bool {
    name == header || name.eq_ignore_ascii_case(header)
}

/// Returns whether a Connection header, a list of options, keeps the connection alive (RFC 9112, 9.3).
fn keeps_alive(value: &[u8], default: bool) -> bool {
    if value == b"keep-alive" {
        return true;
    }
    let mut options = value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
    let option = options.find_map(|option| match option.len() {
        5 if option.eq_ignore_ascii_case(b"close") => Some(false),
        10 if option.eq_ignore_ascii_case(b"keep-alive") => Some(true),
        _ => None,
    });
    option.unwrap_or(default)
}
