//! Escaping for HTML and URLs, and decoding of URL paths.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::{Display, Formatter, Result, Write};

/// Displays a string escaped for text or a quoted attribute of HTML.
#[cfg_attr(not(feature = "list"), expect(dead_code, reason = "lists are of HTML"))]
pub(super) struct HtmlText<'a>(pub(super) &'a str);

impl Display for HtmlText<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        self.0.chars().try_for_each(|character| match character {
            '&' => f.write_str("&amp;"),
            '<' => f.write_str("&lt;"),
            '>' => f.write_str("&gt;"),
            '"' => f.write_str("&quot;"),
            '\'' => f.write_str("&#39;"),
            other => f.write_char(other),
        })
    }
}

/// Displays a string percent-encoded for a segment of a URL's path (RFC 3986, 2.3: all but unreserved characters).
pub(super) struct UrlSegment<'a>(pub(super) &'a str);

impl Display for UrlSegment<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        self.0.bytes().try_for_each(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => f.write_char(char::from(byte)),
            other => write!(f, "%{other:02X}"),
        })
    }
}

/// Decodes a percent-encoded path (RFC 3986, 2.1); `None` for a malformed escape or a result that is not UTF-8.
pub(super) fn decode(path: &str) -> Option<String> {
    let mut bytes = path.bytes();
    let mut decoded = Vec::with_capacity(path.len());
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => {
                let mut digit = || char::from(bytes.next()?).to_digit(16);
                u8::try_from(digit()? << 4 | digit()?).ok()?
            }
            plain => plain,
        });
    }
    String::from_utf8(decoded).ok()
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn special_characters_are_escaped() {
        assert_eq!(HtmlText("<a href='x\">&").to_string(), "&lt;a href=&#39;x&quot;&gt;&amp;");
        assert_eq!(UrlSegment("a b/ü?.txt").to_string(), "a%20b%2F%C3%BC%3F.txt");
    }

    #[test]
    fn escapes_are_decoded_or_refused() {
        assert_eq!(decode("/a%20b%2f%C3%BC+.txt").as_deref(), Some("/a b/ü+.txt"));
        for bad in ["%", "%1", "%g0", "%0g", "%+1", "%C3"] {
            assert_eq!(decode(bad), None, "{bad}");
        }
    }
}
