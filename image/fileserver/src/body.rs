//! The bodies of responses with files: read from the disk while they are sent.

use alloc::collections::VecDeque;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::ops::Range;

use switchboard_http::{BodyWriter, Response, StatusCode};
use switchboard_net::Disconnected;
use switchboard_runtime::memory_budget::{self, Reservation};

use crate::filesystem::FileSystemError;
use crate::log_limit::LogLimit;
use crate::reader::FileReader;
use crate::volume::fallible_buffer;

/// Bytes that are read before the head is sent.
const FIRST_BYTES: usize = 16 * 1024;
/// Bytes read from a disk at a time after it, where the room for them is not known.
const READ_BYTES: usize = 16 * 1024;
/// The most bytes read from a disk at a time: as much as its driver reads by one request.
const MAX_READ_BYTES: usize = 32 * 1024;

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

/// The body of a response: files, or ranges of them.
///
/// Content is copied once, from the buffer of the disk's driver to the transmit buffer of the connection: it is read when there
/// is room for it, while what was written before is being sent.
#[derive(Debug)]
pub(crate) struct FileBody {
    parts: Parts,
    buffer: Vec<u8>,
    /// The range of the buffer that holds the first part, which is read before the head is sent: an error is a status then.
    first: Range<usize>,
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

    /// Reads the next part, of at most so many bytes, and passes it to `take`. Returns its length; 0 at the end.
    async fn pass_on(&mut self, max_bytes: usize, mut take: impl FnMut(&[u8])) -> Result<u64, FileSystemError> {
        while let Some(part) = self.0.front_mut() {
            match part {
                Part::Text(text) => {
                    let length = text.len() as u64;
                    take(text);
                    self.0.pop_front();
                    if length > 0 {
                        return Ok(length);
                    }
                }
                Part::File(reader) => match reader.read_in_place(max_bytes, &mut take).await? {
                    0 => drop(self.0.pop_front()),
                    length => return Ok(length),
                },
            }
        }
        Ok(0)
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
        let capacity = wanted.min(FIRST_BYTES);
        let reservation = memory_budget::reserve(capacity).map_err(|_| FileSystemError::NoMemory)?;
        let mut buffer = fallible_buffer(capacity)?;
        let mut parts = Parts(parts);
        let first = parts.read(&mut buffer).await?;
        Ok(Self { parts, buffer, first, log_limit: log_limit.clone(), _reservation: reservation })
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

    async fn send(self, mut writer: BodyWriter) -> Result<BodyWriter, Disconnected> {
        let Self { mut parts, buffer, first, log_limit, _reservation } = self;
        writer.write(&buffer[first]).await?;
        drop(buffer);
        // What found no room, in memory that is reserved still.
        let mut left = Vec::new();
        loop {
            let max_bytes = match writer.room().await? {
                0 => READ_BYTES,
                room => room.min(MAX_READ_BYTES),
            };
            let mut result = Ok(());
            let take = |data: &[u8]| {
                if result.is_ok() {
                    result = write_or_keep(&mut writer, data, &mut left);
                }
            };
            let length = parts.pass_on(max_bytes, take).await.map_err(|error| {
                log_limit.log(error);
                Disconnected
            })?;
            result?;
            if length == 0 {
                return Ok(writer);
            }
            if !left.is_empty() {
                writer.write(&left).await?;
                left.clear();
            }
        }
    }
}

/// Writes data as far as there is room for it, and keeps the rest.
fn write_or_keep(writer: &mut BodyWriter, data: &[u8], left: &mut Vec<u8>) -> Result<(), Disconnected> {
    let written = if left.is_empty() { writer.write_now(data)? } else { 0 };
    left.try_reserve(data.len() - written).map_err(|_| Disconnected)?;
    left.extend_from_slice(&data[written..]);
    Ok(())
}
