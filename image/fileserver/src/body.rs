//! The bodies of responses with files: read from the disk while they are sent.

use alloc::collections::VecDeque;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::mem;
use core::ops::Range;

use embassy_futures::join::join;
use switchboard_http::{BodyWriter, Response, StatusCode};
use switchboard_net::Disconnected;
use switchboard_runtime::memory_budget::{self, Reservation};

use crate::filesystem::FileSystemError;
use crate::log_limit::LogLimit;
use crate::reader::FileReader;
use crate::volume::fallible_buffer;

/// Bytes read from a disk at a time.
const READ_BYTES: usize = 16 * 1024;

/// The most bytes of a body that is sent with its head.
const MAX_AT_HAND: u64 = 4096;

/// A part of a body.
#[derive(Debug)]
pub(crate) enum Part {
    /// Bytes that were made for the response: what is between the ranges of several.
    Text(Vec<u8>),
    File(FileReader),
}

impl Part {
    /// Returns the number of bytes.
    pub(crate) fn length(&self) -> u64 {
        match self {
            Self::Text(text) => text.len() as u64,
            Self::File(reader) => reader.rest(),
        }
    }
}

/// The body of a response: files, or ranges of them. The next part is read from the disk while one is sent.
#[derive(Debug)]
pub(crate) struct FileBody {
    parts: Parts,
    buffer: Vec<u8>,
    /// The range of the buffer that holds the first part, which is read before the head is sent: an error is a status then.
    first: Range<usize>,
    /// The second buffer, if the body has more than one part.
    other: Vec<u8>,
    log_limit: Rc<LogLimit>,
    _reservation: Reservation,
}

/// The parts that are not read yet.
#[derive(Debug)]
struct Parts(VecDeque<Part>);

impl Parts {
    /// Reads the next part into a buffer; an empty one at the end.
    async fn read(&mut self, buffer: &mut [u8]) -> Result<Range<usize>, FileSystemError> {
        while let Some(part) = self.0.front_mut() {
            match part {
                Part::Text(text) => {
                    let length = text.len().min(buffer.len());
                    buffer[..length].copy_from_slice(&text[..length]);
                    text.drain(..length);
                    if text.is_empty() {
                        self.0.pop_front();
                    }
                    return Ok(0..length);
                }
                Part::File(reader) => {
                    let part = reader.read(buffer).await?;
                    if !part.is_empty() {
                        return Ok(part);
                    }
                    self.0.pop_front();
                }
            }
        }
        Ok(0..0)
    }
}

impl FileBody {
    /// Reads the first part of a body of `length` bytes.
    pub(crate) async fn open(
        parts: VecDeque<Part>,
        length: u64,
        log_limit: &Rc<LogLimit>,
    ) -> Result<Self, FileSystemError> {
        // A block more: a file does not begin at one, and the blocks of some disks are larger than its content.
        let wanted = usize::try_from(length).unwrap_or(usize::MAX).saturating_add(4096).next_multiple_of(4096);
        let capacity = wanted.min(READ_BYTES);
        let mut reservation = memory_budget::reserve(capacity).map_err(|_| FileSystemError::NoMemory)?;
        let mut buffer = fallible_buffer(capacity)?;
        let mut parts = Parts(parts);
        let first = parts.read(&mut buffer).await?;
        let mut other = Vec::new();
        if (first.len() as u64) < length {
            reservation.resize(2 * capacity).map_err(|_| FileSystemError::NoMemory)?;
            other = fallible_buffer(capacity)?;
        }
        Ok(Self { parts, buffer, first, other, log_limit: log_limit.clone(), _reservation: reservation })
    }

    /// Makes the response with the body, which has `length` bytes.
    pub(crate) fn into_response(mut self, status: StatusCode, content_type: &'static str, length: u64) -> Response {
        // A longer one keeps its memory reserved until it is sent.
        if length <= MAX_AT_HAND && self.first.len() as u64 == length {
            self.buffer.truncate(self.first.end);
            self.buffer.drain(..self.first.start);
            // It is not counted any more, and may wait for a connection without buffers.
            self.buffer.shrink_to_fit();
            return Response::new(status, content_type, self.buffer);
        }
        Response::written_with_length(status, content_type, length, async move |writer| self.send(writer).await)
    }

    async fn send(mut self, mut writer: BodyWriter) -> Result<BodyWriter, Disconnected> {
        let mut part = self.first.clone();
        while !part.is_empty() {
            let (written, read) = join(writer.write(&self.buffer[part]), self.parts.read(&mut self.other)).await;
            written?;
            part = read.map_err(|error| {
                self.log_limit.log(error);
                Disconnected
            })?;
            mem::swap(&mut self.buffer, &mut self.other);
        }
        Ok(writer)
    }
}
