//! A response whose body is known, by length or chunked.

use std::io;

use super::wrong;

/// Maximum number of bytes of a head, or of a line between chunks.
const MAX_HEAD: usize = 4096;

/// What a response continues with.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Next {
    #[default]
    Head,
    /// The body, of a length that the head has.
    Body,
    /// The line with the length of a chunk.
    Size,
    /// The bytes of a chunk that are left.
    Chunk(usize),
    /// The empty line after a chunk, or after the last one.
    End { is_last: bool },
}

/// How far a response is.
#[derive(Debug, Default)]
pub(super) struct Response {
    next: Next,
    /// The head, or a line between chunks, as far as it has arrived.
    text: Vec<u8>,
    /// Number of bytes of the body that have arrived.
    received: usize,
}

impl Response {
    /// Adds received bytes, and compares the body; returns whether the response is complete.
    pub(super) fn add(&mut self, mut data: &[u8], expected: &[u8]) -> io::Result<bool> {
        while !data.is_empty() {
            match self.next {
                Next::Body => {
                    self.compare(data, expected)?;
                    return Ok(self.received == expected.len());
                }
                Next::Chunk(rest) => {
                    let (part, after) = data.split_at(rest.min(data.len()));
                    self.compare(part, expected)?;
                    data = after;
                    self.next =
                        if part.len() == rest { Next::End { is_last: false } } else { Next::Chunk(rest - part.len()) };
                }
                Next::Head | Next::Size | Next::End { .. } => {
                    let end: &[u8] = if self.next == Next::Head { b"\r\n\r\n" } else { b"\r\n" };
                    self.text.push(data[0]);
                    data = &data[1..];
                    if self.text.ends_with(end) {
                        if self.line(expected)? {
                            return Ok(true);
                        }
                        self.text.clear();
                    } else if self.text.len() > MAX_HEAD {
                        return Err(wrong("a head does not end"));
                    }
                }
            }
        }
        Ok(false)
    }

    /// Processes a head, or a line between chunks; returns whether the response is complete.
    fn line(&mut self, expected: &[u8]) -> io::Result<bool> {
        let text = String::from_utf8_lossy(&self.text).to_ascii_lowercase();
        match self.next {
            Next::Head if !text.starts_with("http/1.1 200 ") => {
                return Err(wrong(format!("a wrong response: {text:?}")));
            }
            Next::Head if text.contains("\r\ntransfer-encoding: chunked\r\n") => self.next = Next::Size,
            Next::Head if text.contains(&format!("\r\ncontent-length: {}\r\n", expected.len())) => {
                self.next = Next::Body;
            }
            Next::Head => return Err(wrong(format!("a wrong length: {text:?}"))),
            Next::End { is_last: true } if self.received == expected.len() => return Ok(true),
            Next::End { is_last: true } => return Err(wrong("a body that is too short")),
            Next::End { is_last: false } => self.next = Next::Size,
            _ => {
                let size = usize::from_str_radix(text.trim_end(), 16).map_err(|_| wrong("a chunk without a length"))?;
                self.next = if size == 0 { Next::End { is_last: true } } else { Next::Chunk(size) };
            }
        }
        Ok(false)
    }

    fn compare(&mut self, data: &[u8], expected: &[u8]) -> io::Result<()> {
        let end = self.received + data.len();
        if expected.get(self.received..end) != Some(data) {
            return Err(wrong(format!("a wrong body from byte {} on", self.received)));
        }
        self.received = end;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn responses_are_parsed_at_any_split() {
        let by_length = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello".as_slice();
        let chunked =
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n".as_slice();
        for response in [by_length, chunked] {
            for split in 0..response.len() {
                let mut parser = Response::default();
                assert!(!parser.add(&response[..split], b"hello").expect("a right response"), "{split}");
                assert!(parser.add(&response[split..], b"hello").expect("a right response"), "{split}");
            }
            for wrong in [b"hallo".as_slice(), b"hell", b"hello!"] {
                assert!(!matches!(Response::default().add(response, wrong), Ok(true)), "{wrong:?}");
            }
        }
    }
}
