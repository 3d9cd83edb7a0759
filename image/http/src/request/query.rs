//! Queries of targets, and their percent-encoding (RFC 3986, 2.1 and 3.4).

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;

/// The pairs of a query such as `a=1&b=2`, decoded.
///
/// ```
/// use switchboard_http::QueryPairs;
///
/// let pairs: Vec<_> = QueryPairs::new("name=Ada+L%2e&flag&x=%zz").collect();
/// assert_eq!(pairs[0], ("name".into(), "Ada L.".into()));
/// assert_eq!(pairs[1], ("flag".into(), "".into()));
/// assert_eq!(pairs[2], ("x".into(), "%zz".into()), "what is no encoding stays");
/// ```
#[derive(Debug, Clone)]
pub struct QueryPairs<'a> {
    rest: &'a str,
}

impl<'a> QueryPairs<'a> {
    /// Creates an iterator over the pairs of a query, which is given without its `?`.
    #[must_use]
    pub const fn new(query: &'a str) -> Self {
        Self { rest: query }
    }
}

impl<'a> Iterator for QueryPairs<'a> {
    type Item = (Cow<'a, str>, Cow<'a, str>);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if self.rest.is_empty() {
                return None;
            }
            let (pair, rest) = self.rest.split_once('&').unwrap_or((self.rest, ""));
            self.rest = rest;
            if pair.is_empty() {
                continue;
            }
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            return Some((decode(name, true), decode(value, true)));
        }
    }
}

/// Decodes a percent-encoded text. What is no encoding stays as it is, and bytes that are not UTF-8 become U+FFFD.
///
/// ```
/// assert_eq!(switchboard_http::percent_decode("a%20b+c"), "a b+c");
/// ```
#[must_use]
pub fn percent_decode(text: &str) -> Cow<'_, str> {
    decode(text, false)
}

/// Decodes; a plus sign is a space in queries and forms.
fn decode(text: &str, is_form: bool) -> Cow<'_, str> {
    if !text.bytes().any(|byte| byte == b'%' || is_form && byte == b'+') {
        return Cow::Borrowed(text);
    }
    let (mut decoded, mut rest) = (Vec::with_capacity(text.len()), text.as_bytes());
    while let Some((&first, tail)) = rest.split_first() {
        let (byte, after) = match (first, hex_pair(tail)) {
            (b'%', Some(byte)) => (byte, &tail[2..]),
            (b'+', _) if is_form => (b' ', tail),
            _ => (first, tail),
        };
        decoded.push(byte);
        rest = after;
    }
    Cow::Owned(String::from_utf8_lossy(&decoded).into_owned())
}

/// Returns the byte of two hexadecimal digits.
pub(super) fn hex_pair(digits: &[u8]) -> Option<u8> {
    let digit = |index| digits.get(index).copied().and_then(|digit: u8| char::from(digit).to_digit(16));
    u8::try_from(digit(0)? * 16 + digit(1)?).ok()
}
