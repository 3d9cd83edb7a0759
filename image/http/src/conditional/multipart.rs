//! Several ranges in one body: `multipart/byteranges` (RFC 9110, 14.6).

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;
use core::pin::Pin;

use crate::body::BodySource;
use crate::response::{Response, StatusCode};

/// The body of several ranges of a representation.
///
/// ```
/// use switchboard_http::Multipart;
///
/// let multipart = Multipart::new("text/plain", 10, vec![0..1, 8..10]);
/// assert!(multipart.content_type().starts_with("multipart/byteranges; boundary="));
/// assert_eq!(multipart.ranges(), [0..1, 8..10]);
/// ```
#[derive(Debug, Clone)]
pub struct Multipart {
    content_type: &'static str,
    size: u64,
    ranges: Vec<Range<u64>>,
    boundary: String,
}

impl Multipart {
    /// Creates the body of these ranges of a representation of `size` bytes.
    #[must_use]
    pub fn new(content_type: &'static str, size: u64, ranges: Vec<Range<u64>>) -> Self {
        // It differs from request to request, so that no content can be made to contain it.
        let seed = embassy_time::Instant::now().as_ticks() ^ size.rotate_left(32);
        let boundary = format!("{:016x}", seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        Self { content_type, size, ranges, boundary }
    }

    /// Returns the ranges.
    #[must_use]
    pub fn ranges(&self) -> &[Range<u64>] {
        &self.ranges
    }

    /// Returns the content type of the response.
    #[must_use]
    pub fn content_type(&self) -> String {
        format!("multipart/byteranges; boundary={}", self.boundary)
    }

    /// Returns what is ahead of a part.
    fn part_head(&self, range: &Range<u64>) -> String {
        let Self { content_type, size, boundary, .. } = self;
        let (start, last) = (range.start, range.end - 1);
        format!(
            "\r\n--{boundary}\r\nContent-Type: {content_type}\r\nContent-Range: bytes {start}-{last}/{size}\r\n\r\n"
        )
    }

    fn end(&self) -> String {
        format!("\r\n--{}--\r\n", self.boundary)
    }

    /// Returns the length of the body.
    #[must_use]
    pub fn length(&self) -> u64 {
        let parts = self.ranges.iter().map(|range| self.part_head(range).len() as u64 + (range.end - range.start));
        parts.sum::<u64>() + self.end().len() as u64
    }

    /// Returns the response of 206. `open` returns a source of the bytes of a range.
    pub fn into_response<S: BodySource + 'static>(self, open: impl FnMut(Range<u64>) -> S + 'static) -> Response {
        let (length, content_type) = (self.length(), self.content_type());
        let source = MultipartSource { multipart: self, open, next: 0, current: None, buffer: Vec::new() };
        Response::stream(StatusCode::PARTIAL_CONTENT, "", length, source).with_header("Content-Type", content_type)
    }
}

/// The source of a multipart body: see [`Multipart::into_response`].
pub struct MultipartSource<S, F> {
    multipart: Multipart,
    open: F,
    /// The index of the next part; beyond the last one is the end, then nothing.
    next: usize,
    current: Option<S>,
    buffer: Vec<u8>,
}

impl<S: BodySource, F: FnMut(Range<u64>) -> S> BodySource for MultipartSource<S, F> {
    fn next(&mut self) -> Pin<Box<dyn Future<Output = Option<&[u8]>> + '_>> {
        Box::pin(async {
            self.buffer.clear();
            if let Some(source) = &mut self.current {
                let part = source.next().await?;
                self.buffer.try_reserve(part.len()).ok()?;
                self.buffer.extend_from_slice(part);
            }
            if self.buffer.is_empty() {
                self.current = None;
                match self.multipart.ranges.get(self.next) {
                    Some(range) => {
                        self.buffer.extend_from_slice(self.multipart.part_head(range).as_bytes());
                        self.current = Some((self.open)(range.clone()));
                    }
                    None if self.next == self.multipart.ranges.len() => {
                        self.buffer.extend_from_slice(self.multipart.end().as_bytes());
                    }
                    None => {}
                }
                self.next = self.next.saturating_add(1);
            }
            Some(&self.buffer[..])
        })
    }
}

impl<S, F> fmt::Debug for MultipartSource<S, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MultipartSource").field("multipart", &self.multipart).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use embassy_futures::block_on;

    use super::*;

    /// The bytes of a range, two at a time.
    struct Digits(Range<u64>, Vec<u8>);

    impl BodySource for Digits {
        fn next(&mut self) -> Pin<Box<dyn Future<Output = Option<&[u8]>> + '_>> {
            let digit = |value: u64| b'0' + u8::try_from(value).expect("a digit");
            self.1 = self.0.by_ref().take(2).map(digit).collect();
            Box::pin(async { Some(&self.1[..]) })
        }
    }

    #[test]
    fn the_parts_have_their_heads() {
        let multipart = Multipart::new("text/plain", 10, vec![1..2, 5..10]);
        let (length, boundary) = (multipart.length(), multipart.boundary.clone());
        let open = |range| Digits(range, Vec::new());
        let mut source = MultipartSource { multipart, open, next: 0, current: None, buffer: Vec::new() };
        let mut body = Vec::new();
        while let Some(part) = block_on(source.next()).filter(|part| !part.is_empty()) {
            body.extend_from_slice(part);
        }
        assert_eq!(body.len() as u64, length);
        let part = |range, content| {
            let head = format!("Content-Type: text/plain\r\nContent-Range: bytes {range}/10");
            format!("\r\n--{boundary}\r\n{head}\r\n\r\n{content}")
        };
        let expected = format!("{}{}\r\n--{boundary}--\r\n", part("1-1", "1"), part("5-9", "56789"));
        assert_eq!(String::from_utf8(body), Ok(expected));
    }
}
