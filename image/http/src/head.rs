//! The head of a request: parsed by `httparse`, and refused when its framing is in doubt.
//!
//! What is refused here would leave it open where the next request begins: a length that is no number, or two of
//! them, would make the body of one request pass for the next one.

use core::mem::MaybeUninit;

use httparse::{Error, Header, Status as Parsed};

use super::response::Status;

/// The most headers of a request.
const HEADERS: usize = 32;

/// What a request asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    Get,
    /// As GET, but without the body.
    Head,
    Other,
}

/// A request whose head has arrived.
#[derive(Debug)]
pub struct Request<'a> {
    /// The path, as it was sent: with its escapes, without the query.
    pub path: &'a str,
    headers: &'a [Header<'a>],
}

impl<'a> Request<'a> {
    /// The value of a header, by its name in any case; none if it is no text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&'a str> {
        let header = self.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name))?;
        core::str::from_utf8(header.value).ok()
    }
}

/// How a request is framed, and what becomes of the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Framing {
    pub(super) method: Method,
    /// Bytes of the head.
    pub(super) head: usize,
    /// Bytes of the body, which nobody reads.
    pub(super) body: u64,
    /// The client speaks HTTP/1.0, and has to be told that the connection stays.
    pub(super) is_old: bool,
    pub(super) keeps_alive: bool,
}

/// Why a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) status: Status,
    pub(super) text: &'static str,
}

const fn fault(text: &'static str) -> Fault {
    Fault { status: Status::BadRequest, text }
}

pub(super) const TOO_LARGE: Fault = Fault { status: Status::HeadersTooLarge, text: "The head is too long\n" };

/// Parses the head at the beginning of `data`, and hands the request to `act`. `None` if there is more to come.
pub(super) fn parse<R>(
    data: &[u8],
    act: impl FnOnce(&Request<'_>, Framing) -> R,
) -> Result<Option<(Framing, R)>, Fault> {
    let mut headers = [const { MaybeUninit::uninit() }; HEADERS];
    let mut request = httparse::Request::new(&mut []);
    let head = match request.parse_with_uninit_headers(data, &mut headers) {
        Ok(Parsed::Complete(head)) => head,
        Ok(Parsed::Partial) => return Ok(None),
        Err(Error::TooManyHeaders) => return Err(TOO_LARGE),
        Err(Error::Version) => return Err(fault("Unknown HTTP version\n")),
        Err(Error::HeaderName) => return Err(fault("Bad header name\n")),
        Err(_) => return Err(fault("Not an HTTP request\n")),
    };
    // All three are there when the head is complete.
    let (Some(method), Some(target), Some(version)) = (request.method, request.path, request.version) else {
        return Err(fault("Not an HTTP request\n"));
    };
    if !target.starts_with('/') {
        return Err(fault("The target is not a path\n"));
    }
    let method = match method {
        "GET" => Method::Get,
        "HEAD" => Method::Head,
        _ => Method::Other,
    };
    let is_old = version == 0;
    let mut framing = Framing { method, head, body: 0, is_old, keeps_alive: !is_old };
    check(request.headers, &mut framing)?;
    // By bytes: it is ASCII, and a search for a character is made for longer texts.
    let path = target.bytes().position(|byte| byte == b'?').map_or(target, |end| &target[..end]);
    let result = act(&Request { path, headers: request.headers }, framing);
    Ok(Some((framing, result)))
}

fn check(headers: &[Header<'_>], framing: &mut Framing) -> Result<(), Fault> {
    let mut length = None;
    for Header { name, value } in headers {
        // The lengths first: most headers are none of these.
        match name.len() {
            0 => return Err(fault("Bad header name\n")),
            10 if is(name, "Connection") => framing.keeps_alive = wants_alive(value, framing.keeps_alive),
            14 if is(name, "Content-Length") => {
                let is_number = !value.is_empty() && value.len() < 16 && value.iter().all(u8::is_ascii_digit);
                if !is_number || length.replace(*value).is_some_and(|other| other != *value) {
                    return Err(fault("Bad Content-Length\n"));
                }
                framing.body = value.iter().fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0'));
            }
            17 if is(name, "Transfer-Encoding") => {
                return Err(fault("Transfer-Encoding is not supported in requests\n"));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Whether it is that header. Nearly always it is spelt as in the specification, which is quick to see.
fn is(name: &str, header: &str) -> bool {
    name == header || name.eq_ignore_ascii_case(header)
}

/// What a Connection header says of staying (RFC 9112, 9.3): a list, of which two words matter.
fn wants_alive(value: &[u8], otherwise: bool) -> bool {
    if value == b"keep-alive" {
        return true;
    }
    let mut words = value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
    match words.find_map(|word| match word.len() {
        5 if word.eq_ignore_ascii_case(b"close") => Some(false),
        10 if word.eq_ignore_ascii_case(b"keep-alive") => Some(true),
        _ => None,
    }) {
        Some(wish) => wish,
        None => otherwise,
    }
}
