//! The chunked transfer coding of requests (RFC 9112, 7.1).

use alloc::vec::Vec;

use super::body_error::BodyError;

/// The maximum length of the line ahead of a chunk, with its extensions, which are ignored.
const MAX_LINE_BYTES: usize = 512;
/// The maximum length of all trailers.
const MAX_TRAILER_BYTES: usize = 4096;
/// The maximum digits of a chunk's size.
const MAX_DIGITS: usize = 15;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Size,
    Extension,
    SizeLineFeed,
    Data,
    DataReturn,
    DataLineFeed,
    Trailer,
    TrailerLineFeed,
    Done,
}

/// A decoder of chunks, which takes the coded bytes in pieces of any size.
#[derive(Debug)]
pub(super) struct ChunkDecoder {
    state: State,
    /// The rest of the chunk.
    size: u64,
    /// The length of the line so far.
    line_bytes: usize,
    /// The lines of all trailers, without the empty one at their end.
    trailers: Vec<u8>,
}

impl ChunkDecoder {
    pub(super) const fn new() -> Self {
        Self { state: State::Size, size: 0, line_bytes: 0, trailers: Vec::new() }
    }

    pub(super) fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Returns the lines of the trailers.
    pub(super) fn trailers(&self) -> &[u8] {
        &self.trailers
    }

    /// Consumes what frames the chunks, up to content. Returns how many bytes it consumed, and how many of content follow.
    pub(super) fn decode(&mut self, data: &[u8]) -> Result<(usize, usize), BodyError> {
        for (index, byte) in data.iter().enumerate() {
            match self.state {
                State::Data => return Ok((index, self.content(data.len() - index))),
                State::Done => return Ok((index, 0)),
                _ => self.step(*byte)?,
            }
        }
        Ok((data.len(), 0))
    }

    fn content(&self, available: usize) -> usize {
        usize::try_from(self.size).map_or(available, |size| size.min(available))
    }

    /// Consumes bytes of content.
    pub(super) fn advance(&mut self, length: usize) {
        self.size = self.size.saturating_sub(length as u64);
        if self.state == State::Data && self.size == 0 {
            self.state = State::DataReturn;
        }
    }

    fn step(&mut self, byte: u8) -> Result<(), BodyError> {
        self.state = match (self.state, byte) {
            (State::Size, b'\r') if self.line_bytes > 0 => State::SizeLineFeed,
            (State::Size, b';' | b' ' | b'\t') if self.line_bytes > 0 => State::Extension,
            (State::Size, _) => {
                let digit = char::from(byte).to_digit(16).filter(|_| self.line_bytes < MAX_DIGITS);
                let digit = digit.ok_or(BodyError::Malformed("A chunk's size is invalid\n"))?;
                self.size = self.size * 16 + u64::from(digit);
                State::Size
            }
            (State::Extension, b'\r') => State::SizeLineFeed,
            // A line feed alone would be read as the end of the line by some, and as a part of it by others.
            (State::Extension, b'\n') => return Err(BodyError::Malformed("A chunk's line is invalid\n")),
            (State::Extension, _) if self.line_bytes >= MAX_LINE_BYTES => {
                return Err(BodyError::Malformed("A chunk's extensions are too long\n"));
            }
            (State::Extension, _) => State::Extension,
            (State::SizeLineFeed, b'\n') => {
                self.line_bytes = 0;
                self.state = if self.size == 0 { State::Trailer } else { State::Data };
                return Ok(());
            }
            (State::DataReturn, b'\r') => State::DataLineFeed,
            (State::DataLineFeed, b'\n') => {
                self.line_bytes = 0;
                self.state = State::Size;
                return Ok(());
            }
            (State::Trailer, b'\r') => State::TrailerLineFeed,
            (State::Trailer, b'\n') => return Err(BodyError::Malformed("A trailer is invalid\n")),
            (State::Trailer, _) => {
                if self.trailers.len() + 2 >= MAX_TRAILER_BYTES {
                    return Err(BodyError::Malformed("The trailers are too long\n"));
                }
                self.trailers.try_reserve(1).map_err(|_| BodyError::NoMemory)?;
                self.trailers.push(byte);
                State::Trailer
            }
            (State::TrailerLineFeed, b'\n') if self.line_bytes == 1 => State::Done,
            (State::TrailerLineFeed, b'\n') => {
                self.trailers.extend_from_slice(b"\r\n");
                self.line_bytes = 0;
                self.state = State::Trailer;
                return Ok(());
            }
            _ => return Err(BodyError::Malformed("A chunk does not end as its size states\n")),
        };
        self.line_bytes += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;
    use alloc::string::String;
    use alloc::vec::Vec;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    /// Decodes a body that arrives in pieces. Returns its content, and how many bytes of `coded` belong to it.
    fn decode(coded: &[u8], piece: usize) -> Result<(Vec<u8>, usize, String), BodyError> {
        let (mut decoder, mut content, mut place) = (ChunkDecoder::new(), Vec::new(), 0);
        while !decoder.is_done() && place < coded.len() {
            let data = &coded[place..coded.len().min(place + piece)];
            let (skipped, length) = decoder.decode(data)?;
            content.extend_from_slice(&data[skipped..skipped + length]);
            decoder.advance(length);
            place += skipped + length;
        }
        assert!(decoder.is_done(), "{place} of {} bytes, {decoder:?}", coded.len());
        Ok((content, place, String::from_utf8_lossy(decoder.trailers()).into()))
    }

    #[test]
    fn extensions_are_ignored_and_trailers_are_kept() {
        let coded = b"3;a=\"b\"\r\nabc\r\n00A ;x\r\n0123456789\r\n0;end\r\nX: y\r\nZ:\r\n\r\nGET /";
        for piece in 1..coded.len() {
            let (content, length, trailers) = decode(coded, piece).expect("valid");
            assert_eq!((&content[..], &coded[length..]), (&b"abc0123456789"[..], &b"GET /"[..]));
            assert_eq!(trailers, "X: y\r\nZ:\r\n");
        }
    }

    #[test]
    fn invalid_chunks_are_refused() {
        let long = format!("1;{}\r\na\r\n0\r\n\r\n", "x".repeat(600));
        let trailers = format!("0\r\n{}\r\n", "X: y\r\n".repeat(800));
        for coded in [
            "\r\n",
            "g\r\n",
            "-1\r\n",
            "+1\r\n",
            "0x1\r\n",
            ";\r\n",
            " 1\r\n",
            "1\na\r\n",
            "1\r\nab\r\n",
            "1\r\na\n0\r\n",
            "1\r\na0\r\n\r\n",
            "1;x\na\r\n",
            "1000000000000000\r\n",
            "0\r\nX: y\n\r\n",
            "0\r\n\rx",
            &long,
            &trailers,
        ] {
            assert!(matches!(decode(coded.as_bytes(), 7), Err(BodyError::Malformed(_))), "{coded:?}");
        }
    }

    proptest! {
        #[test]
        fn chunks_of_any_size_in_pieces_of_any_size_are_decoded(
            chunks in vec(vec(any::<u8>(), 1..300), 0..8),
            piece in 1_usize..400,
        ) {
            let mut coded = Vec::new();
            for chunk in &chunks {
                coded.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
                coded.extend_from_slice(chunk);
                coded.extend_from_slice(b"\r\n");
            }
            coded.extend_from_slice(b"0\r\n\r\n");
            let (content, length, _) = decode(&coded, piece).expect("valid");
            prop_assert_eq!(content, chunks.concat());
            prop_assert_eq!(length, coded.len());
        }

        #[test]
        fn any_bytes_are_decoded_or_refused(coded in vec(any::<u8>(), 0..200)) {
            let mut decoder = ChunkDecoder::new();
            if let Ok((skipped, length)) = decoder.decode(&coded) {
                prop_assert!(skipped + length <= coded.len());
            }
        }
    }
}
