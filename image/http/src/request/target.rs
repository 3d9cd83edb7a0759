//! Targets of requests (RFC 9112, 3.2), and the normal form of their paths (RFC 3986, 6.2.2).

use alloc::borrow::Cow;
use alloc::string::String;

use super::method::Method;
use super::query::hex_pair;
use super::request_error::{RequestError, bad_request};

/// The parts of a target.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Target<'a> {
    /// The path, `*` for the server as a whole; empty for CONNECT.
    pub(super) path: &'a str,
    pub(super) query: Option<&'a str>,
    /// The host and port of an absolute target, which replaces the Host header.
    pub(super) authority: Option<&'a str>,
    /// Whether the path has a percent sign, so that it may not be in its normal form.
    pub(super) is_encoded: bool,
}

/// Splits a target.
#[inline]
pub(super) fn parse(method: Method, target: &str) -> Result<Target<'_>, RequestError> {
    if target.as_bytes().first() == Some(&b'/') && method != Method::Connect {
        return Ok(split(target, None));
    }
    other_form(method, target)
}

/// Splits a target that does not begin with a slash.
#[cold]
fn other_form(method: Method, target: &str) -> Result<Target<'_>, RequestError> {
    match method {
        Method::Connect if !target.starts_with('/') => {
            return Ok(Target { path: "", query: None, authority: Some(target), is_encoded: false });
        }
        Method::Options if target == "*" => {
            return Ok(Target { path: "*", query: None, authority: None, is_encoded: false });
        }
        _ => {}
    }
    let rest = target
        .split_once(':')
        .and_then(|(scheme, rest)| Some((scheme, rest.strip_prefix("//")?)))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https"));
    let Some((_, rest)) = rest else { return Err(bad_request("The target is not a path\n")) };
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    if authority.is_empty() || !is_host(authority.as_bytes()) {
        return Err(bad_request("The target has no valid host\n"));
    }
    // An empty path is the root (RFC 9110, 4.2.3).
    Ok(match path.as_bytes().first() {
        None => split("/", Some(authority)),
        Some(b'?') => Target { path: "/", query: Some(&path[1..]), authority: Some(authority), is_encoded: false },
        Some(_) => split(path, Some(authority)),
    })
}

fn split<'a>(target: &'a str, authority: Option<&'a str>) -> Target<'a> {
    let (mut is_encoded, mut length) = (false, target.len());
    // By bytes: a target is ASCII, and a search for a character is optimized for longer texts.
    for (index, byte) in target.bytes().enumerate() {
        match byte {
            b'?' => {
                length = index;
                break;
            }
            b'%' => is_encoded = true,
            _ => {}
        }
    }
    let query = target.get(length + 1..);
    Target { path: &target[..length], query, authority, is_encoded }
}

/// Returns whether the bytes can be a host and a port: no delimiter of another part of a URI.
pub(super) fn is_host(host: &[u8]) -> bool {
    host.iter().all(|byte| {
        matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b':' | b'-' | b'A'..=b'Z' | b'[' | b']' | b'_' | b'%' | b'~')
            || matches!(byte, b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=')
    })
}

/// Returns a path in its normal form: what needs no encoding is decoded, and digits of encodings are in upper case.
/// Encoded slashes and other delimiters stay, as they differ from plain ones.
pub(super) fn normalize(path: &str) -> Result<Cow<'_, str>, RequestError> {
    let mut normal = String::new();
    if normal.try_reserve(path.len()).is_err() {
        return Err(RequestError::NO_MEMORY);
    }
    let mut pieces = path.split('%');
    normal.push_str(pieces.next().unwrap_or_default());
    for piece in pieces {
        let Some(byte) = hex_pair(piece.as_bytes()).filter(|byte| *byte != 0) else {
            return Err(bad_request("The path has an invalid percent-encoding\n"));
        };
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            normal.push(char::from(byte));
        } else {
            normal.push('%');
            normal.extend(piece[..2].chars().map(|digit| digit.to_ascii_uppercase()));
        }
        normal.push_str(&piece[2..]);
    }
    Ok(Cow::Owned(normal))
}
