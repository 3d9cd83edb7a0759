//! The head of a request, parsed by `httparse` where it arrived.

use core::mem::MaybeUninit;

use arrayvec::ArrayVec;
use httparse::{Error, Status as Parsed};

use super::framing::{self, BodyLength, Framing};
use super::method::Method;
use super::request_error::{RequestError, bad_request};
use super::target::{self, Target};
use super::usual::UsualHead;
use super::{Header, NO_HEADER, Request, RequestParts};

/// The maximum number of headers of a request.
const MAX_HEADERS: usize = 128;
/// The maximum length of a head.
pub(crate) const MAX_HEAD_BYTES: usize = 16 * 1024;
/// The maximum length of a target; 8000 is the minimum that RFC 9110, 4.1, recommends.
const MAX_TARGET_BYTES: usize = 8000;

/// Parses the head at the beginning of `data`, and calls `act` with the request. Returns the length of the head; `None` for an
/// incomplete one.
#[inline]
pub(crate) fn parse(data: &[u8], act: impl FnOnce(&RequestParts<'_>, Framing)) -> Result<Option<usize>, RequestError> {
    let mut headers = ArrayVec::new();
    match UsualHead::parse(data, &mut headers) {
        Some(head) => {
            check(Method::Get, "GET", &head.target, false, head.headers, act)?;
            Ok(Some(head.length))
        }
        None => parse_any(data, act),
    }
}

/// As [`parse`], for heads of any form.
#[cold]
fn parse_any(data: &[u8], act: impl FnOnce(&RequestParts<'_>, Framing)) -> Result<Option<usize>, RequestError> {
    let mut headers = [const { MaybeUninit::<httparse::Header<'_>>::uninit() }; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut []);
    let head_bytes = match request.parse_with_uninit_headers(data, &mut headers) {
        Ok(Parsed::Complete(length)) => length,
        Ok(Parsed::Partial) => return check_partial(data).map(|()| None),
        Err(error) => return Err(refusal(error, data)),
    };
    // All three are present in a complete head.
    let (Some(method_name), Some(target), Some(version)) = (request.method, request.path, request.version) else {
        return Err(bad_request("Not an HTTP request\n"));
    };
    if target.len() > MAX_TARGET_BYTES {
        return Err(RequestError::TARGET_TOO_LONG);
    }
    let method = Method::parse(method_name);
    let target = target::parse(method, target)?;
    let mut headers = [NO_HEADER; MAX_HEADERS];
    for (header, parsed) in headers.iter_mut().zip(&*request.headers) {
        *header = Header { name: parsed.name.as_bytes(), value: parsed.value };
    }
    let headers = &headers[..request.headers.len()];
    check(method, method_name, &target, version == 0, headers, act)?;
    Ok(Some(head_bytes))
}

/// Checks the parts of a head, and calls `act` with the request.
#[inline(always)]
fn check(
    method: Method,
    method_name: &str,
    target: &Target<'_>,
    is_http_1_0: bool,
    headers: &[Header<'_>],
    act: impl FnOnce(&RequestParts<'_>, Framing),
) -> Result<(), RequestError> {
    if target.path.len() + target.query.map_or(0, |query| query.len() + 1) > MAX_TARGET_BYTES {
        return Err(RequestError::TARGET_TOO_LONG);
    }
    let mut framing = Framing {
        is_head: method == Method::Head,
        body: BodyLength::Known(0),
        is_http_1_0,
        keeps_alive: false,
        expects_continue: false,
    };
    framing::apply(headers, target.authority.is_some(), &mut framing)?;
    let normal;
    let path = if target.is_encoded {
        normal = target::normalize(target.path)?;
        &*normal
    } else {
        target.path
    };
    let parts = RequestParts { method, path, method_name, query: target.query, authority: target.authority, headers };
    act(&parts, framing);
    Ok(())
}

/// Refuses an incomplete head whose target is too long already.
#[cold]
fn check_partial(data: &[u8]) -> Result<(), RequestError> {
    let has_line = data.contains(&b'\n') && data.trim_ascii_start().contains(&b'\n');
    if !has_line && data.len() > MAX_TARGET_BYTES + Method::Options.as_str().len() + 1 {
        return Err(RequestError::TARGET_TOO_LONG);
    }
    Ok(())
}

#[cold]
fn refusal(error: Error, data: &[u8]) -> RequestError {
    match error {
        Error::TooManyHeaders => RequestError::TOO_MANY_HEADERS,
        Error::HeaderName => bad_request("A header's name is invalid\n"),
        Error::HeaderValue => bad_request("A header's value is invalid\n"),
        Error::NewLine => bad_request("A line has no valid end\n"),
        Error::Version if is_other_version(data) => RequestError::VERSION,
        Error::Version => bad_request("The version is not HTTP's\n"),
        _ => bad_request("Not an HTTP request\n"),
    }
}

/// Returns whether the first line ends with a version of HTTP.
fn is_other_version(data: &[u8]) -> bool {
    let line = data.trim_ascii_start().split(|byte| *byte == b'\n').next().unwrap_or_default().trim_ascii_end();
    let version = line.rsplit(|byte| *byte == b' ').next().unwrap_or_default();
    matches!(version, [b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', b'.', b'0'..=b'9'])
}

/// Returns whether a head may end in the bytes from `before` on, so that it is worth to parse it again.
pub(crate) fn may_end(data: &[u8], before: usize) -> bool {
    let recent = &data[before.saturating_sub(3)..];
    recent.windows(2).any(|pair| pair == b"\n\n") || recent.windows(3).any(|triple| triple == b"\n\r\n")
}

impl<'a> Request<'a> {
    /// Parses the head of a request, and calls `act` with it. Returns `None` unless the head is complete and valid. For
    /// tests of functions that take requests: the server parses what it receives by itself.
    ///
    /// ```
    /// use switchboard_http::Request;
    ///
    /// let path = Request::parse(b"GET /a?b HTTP/1.1\r\nHost: x\r\n\r\n", |request| request.path.to_owned());
    /// assert_eq!(path.as_deref(), Some("/a"));
    /// ```
    pub fn parse<R>(head: &[u8], act: impl FnOnce(&Request<'_>) -> R) -> Option<R> {
        let mut result = None;
        let act =
            |parts: &RequestParts<'_>, framing| result = Some(act(&Request::new(parts, framing, &super::EmptyBody)));
        parse(head, act).ok()?;
        result
    }
}
