//! Several ranges in one body: `multipart/byteranges` (RFC 9110, 14.6).

use alloc::format;
use alloc::string::String;
use core::ops::Range;

/// The body of several ranges of a representation.
///
/// It is, for each range, a [head](Self::part_head) and the bytes of the range, and then the [end](Self::end).
///
/// ```
/// use switchboard_http::Multipart;
///
/// let multipart = Multipart::new("text/plain", 10);
/// assert!(multipart.content_type().starts_with("multipart/byteranges; boundary="));
/// assert!(multipart.part_head(&(8..10)).ends_with("Content-Range: bytes 8-9/10\r\n\r\n"));
/// ```
#[derive(Debug, Clone)]
pub struct Multipart {
    content_type: &'static str,
    size: u64,
    boundary: String,
}

impl Multipart {
    /// Creates the frame of ranges of a representation of `size` bytes.
    #[must_use]
    pub fn new(content_type: &'static str, size: u64) -> Self {
        // It differs from request to request, so that no content can be made to contain it.
        let seed = embassy_time::Instant::now().as_ticks() ^ size.rotate_left(32);
        let boundary = format!("{:016x}", seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        Self { content_type, size, boundary }
    }

    /// Returns the content type of the response.
    #[must_use]
    pub fn content_type(&self) -> String {
        format!("multipart/byteranges; boundary={}", self.boundary)
    }

    /// Returns what is ahead of the bytes of a range, which is not empty.
    #[must_use]
    pub fn part_head(&self, range: &Range<u64>) -> String {
        let Self { content_type, size, boundary } = self;
        let content_range = content_range(range, *size);
        format!("\r\n--{boundary}\r\nContent-Type: {content_type}\r\nContent-Range: {content_range}\r\n\r\n")
    }

    /// Returns what is behind the last range.
    #[must_use]
    pub fn end(&self) -> String {
        format!("\r\n--{}--\r\n", self.boundary)
    }
}

/// Returns the value of a Content-Range header: for a range, which is not empty, of a representation of `size` bytes.
///
/// ```
/// assert_eq!(switchboard_http::content_range(&(2..5), 10), "bytes 2-4/10");
/// ```
#[must_use]
pub fn content_range(range: &Range<u64>, size: u64) -> String {
    format!("bytes {}-{}/{size}", range.start, range.end.saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_have_their_heads() {
        let multipart = Multipart::new("text/plain", 10);
        let boundary = multipart.boundary.clone();
        let bytes =
            |range: Range<u64>| range.map(|digit| char::from(b'0' + digit.to_le_bytes()[0])).collect::<String>();
        let part_of = |range: Range<u64>| multipart.part_head(&range) + &bytes(range);
        let body = part_of(1..2) + &part_of(5..10) + &multipart.end();
        let part = |range, content| {
            let head = format!("Content-Type: text/plain\r\nContent-Range: bytes {range}/10");
            format!("\r\n--{boundary}\r\n{head}\r\n\r\n{content}")
        };
        let expected = format!("{}{}\r\n--{boundary}--\r\n", part("1-1", "1"), part("5-9", "56789"));
        assert_eq!(body, expected);
    }
}
