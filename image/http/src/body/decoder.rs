//! The decoder of a request's body: by its length or by its chunks.

use super::body_error::BodyError;
use super::chunked::ChunkDecoder;
use crate::request::BodyLength;

/// Finds the content of a body among what frames it.
#[derive(Debug)]
pub(super) enum Decoder {
    /// So many bytes are left.
    Length(u64),
    Chunked(ChunkDecoder),
}

impl Decoder {
    pub(super) fn new(length: BodyLength) -> Self {
        match length {
            BodyLength::Known(length) => Self::Length(length),
            BodyLength::Chunked => Self::Chunked(ChunkDecoder::new()),
        }
    }

    pub(super) fn is_done(&self) -> bool {
        match self {
            Self::Length(rest) => *rest == 0,
            Self::Chunked(decoder) => decoder.is_done(),
        }
    }

    /// Returns how many bytes are left at least.
    pub(super) fn min_rest(&self) -> u64 {
        match self {
            Self::Length(rest) => *rest,
            Self::Chunked(_) => 0,
        }
    }

    /// Returns how many bytes of `data` only frame the content, and how many of content follow them.
    pub(super) fn decode(&mut self, data: &[u8]) -> Result<(usize, usize), BodyError> {
        match self {
            Self::Length(rest) => Ok((0, usize::try_from(*rest).map_or(data.len(), |rest| rest.min(data.len())))),
            Self::Chunked(decoder) => decoder.decode(data),
        }
    }

    /// Consumes bytes of content.
    pub(super) fn advance(&mut self, length: usize) {
        match self {
            Self::Length(rest) => *rest = rest.saturating_sub(length as u64),
            Self::Chunked(decoder) => decoder.advance(length),
        }
    }

    /// Returns the lines of the trailers.
    pub(super) fn trailers(&self) -> &[u8] {
        match self {
            Self::Length(_) => &[],
            Self::Chunked(decoder) => decoder.trailers(),
        }
    }
}
