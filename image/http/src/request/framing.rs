//! The framing of a request: where its body ends, and whether the connection is kept alive.
//!
//! A request whose framing is ambiguous is refused: a part of its body could be taken for the next request (request
//! smuggling, RFC 9112, 11.2).

use super::Header;
use super::request_error::{RequestError, bad_request};
use super::target::is_host;

/// How the end of a request's body is found (RFC 9112, 6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyLength {
    /// After so many bytes; 0 without a body.
    Known(u64),
    /// After the last chunk.
    Chunked,
}

/// The framing of a request, and whether the connection is kept alive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Framing {
    /// Whether the response has no body, as the method is HEAD.
    pub(crate) is_head: bool,
    pub(crate) body: BodyLength,
    /// Whether the client uses HTTP/1.0, which closes by default: a response has to state that the connection is kept alive.
    pub(crate) is_http_1_0: bool,
    pub(crate) keeps_alive: bool,
    /// Whether the client waits for an interim response before it sends the body.
    pub(crate) expects_continue: bool,
}

impl Framing {
    /// The framing for the response to a refused request.
    pub(crate) const REFUSED: Self = Self {
        is_head: false,
        body: BodyLength::Known(0),
        is_http_1_0: false,
        keeps_alive: false,
        expects_continue: false,
    };

    /// Returns whether the request has a body.
    pub(crate) fn has_body(&self) -> bool {
        self.body != BodyLength::Known(0)
    }
}

/// What the headers that frame a request contain.
#[derive(Default)]
struct FramingHeaders<'a> {
    hosts: usize,
    length: Option<&'a [u8]>,
    has_coding: bool,
    is_chunked: bool,
    /// Whether there is a coding other than chunked.
    is_unknown: bool,
    closes: bool,
    keeps: bool,
    expects_continue: bool,
}

/// Fills in what the headers state of the framing.
pub(super) fn apply(headers: &[Header<'_>], has_authority: bool, framing: &mut Framing) -> Result<(), RequestError> {
    let mut found = FramingHeaders::default();
    for Header { name, value } in headers {
        // By length first: most headers are none of these.
        match name.len() {
            0 => return Err(bad_request("A header has no name\n")),
            4 if is(name, "Host") => {
                found.hosts += 1;
                if !is_host(value) {
                    return Err(bad_request("The Host header is invalid\n"));
                }
            }
            6 if is(name, "Expect") => {
                if !value.eq_ignore_ascii_case(b"100-continue") {
                    return Err(RequestError::EXPECTATION);
                }
                found.expects_continue = true;
            }
            10 if is(name, "Connection") => connection_options(value, &mut found),
            14 if is(name, "Content-Length") && found.length.replace(value).is_some() => {
                return Err(bad_request("More than one Content-Length\n"));
            }
            17 if is(name, "Transfer-Encoding") => transfer_coding(value, &mut found)?,
            _ => {}
        }
    }
    // HTTP/1.1 needs exactly one (RFC 9112, 3.2).
    match found.hosts {
        1 => {}
        0 if framing.is_http_1_0 || has_authority => {}
        0 => return Err(bad_request("The Host header is missing\n")),
        _ => return Err(bad_request("More than one Host header\n")),
    }
    framing.keeps_alive = !found.closes && (found.keeps || !framing.is_http_1_0);
    if found.length.is_none() && !found.has_coding {
        return Ok(());
    }
    body_length(&found, framing)
}

/// Decides how the body ends (RFC 9112, 6.3).
fn body_length(found: &FramingHeaders<'_>, framing: &mut Framing) -> Result<(), RequestError> {
    framing.body = match found.length {
        Some(_) if found.has_coding => {
            return Err(bad_request("Both Content-Length and Transfer-Encoding\n"));
        }
        Some(value) => BodyLength::Known(parse_length(value).ok_or(bad_request("The Content-Length is no length\n"))?),
        None if framing.is_http_1_0 => return Err(bad_request("HTTP/1.0 has no Transfer-Encoding\n")),
        None if found.is_unknown => return Err(RequestError::CODING),
        None => BodyLength::Chunked,
    };
    // HTTP/1.0 has no interim responses (RFC 9110, 10.1.1).
    framing.expects_continue = found.expects_continue && framing.has_body() && !framing.is_http_1_0;
    Ok(())
}

/// Parses digits only, without a sign; fewer than 2^63.
fn parse_length(value: &[u8]) -> Option<u64> {
    if value.is_empty() || value.len() > 18 || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(value.iter().fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0')))
}

/// Returns whether `name` is that header, ignoring case. The exact spelling is the usual case, and fast to compare.
fn is(name: &[u8], header: &str) -> bool {
    name == header.as_bytes() || name.eq_ignore_ascii_case(header.as_bytes())
}

/// Reads a Connection header, a list of options (RFC 9112, 9.3).
fn connection_options(value: &[u8], found: &mut FramingHeaders<'_>) {
    if value == b"keep-alive" {
        found.keeps = true;
        return;
    }
    for option in list(value) {
        found.closes |= option.eq_ignore_ascii_case(b"close");
        found.keeps |= option.eq_ignore_ascii_case(b"keep-alive");
    }
}

/// Reads a Transfer-Encoding header, a list of codings, of which chunked must be the last (RFC 9112, 6.1).
fn transfer_coding(value: &[u8], found: &mut FramingHeaders<'_>) -> Result<(), RequestError> {
    for coding in list(value) {
        if found.is_chunked {
            return Err(bad_request("Chunked is not the last transfer coding\n"));
        }
        found.has_coding = true;
        if coding.eq_ignore_ascii_case(b"chunked") {
            found.is_chunked = true;
        } else {
            found.is_unknown = true;
        }
    }
    // An empty list states nothing that could be relied on.
    if found.has_coding { Ok(()) } else { Err(bad_request("The Transfer-Encoding is empty\n")) }
}

fn list(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).filter(|option| !option.is_empty())
}
