//! The bodies of responses with files: read from the disk while they are sent.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::ops::Range;
use core::pin::Pin;

use switchboard_http::BodySource;
use switchboard_runtime::memory_budget::{self, Reservation};

use crate::filesystem::FileSystemError;
use crate::log_limit::LogLimit;
use crate::reader::FileReader;
use crate::volume::fallible_buffer;

/// Bytes read from a disk at a time.
const READ_BYTES: usize = 32 * 1024;

/// A part of a body.
#[derive(Debug)]
pub(crate) enum Part {
    /// Bytes that were made for the response: what is between the ranges of several.
    Text(Vec<u8>),
    File(FileReader),
}

/// The body of a response: files, or ranges of them.
#[derive(Debug)]
pub(crate) struct FileBody {
    parts: VecDeque<Part>,
    buffer: Vec<u8>,
    /// The range of the buffer that holds the first part, which is read before the head is sent: an error is a status then.
    first: Option<Range<usize>>,
    log_limit: Rc<LogLimit>,
    _reservation: Reservation,
}

impl FileBody {
    /// Reads the first part of a body of `length` bytes.
    pub(crate) async fn open(
        parts: VecDeque<Part>,
        length: u64,
        log_limit: &Rc<LogLimit>,
    ) -> Result<Self, FileSystemError> {
        // A block more: a file does not begin at one.
        let wanted = usize::try_from(length).unwrap_or(usize::MAX).saturating_add(4096).next_multiple_of(4096);
        let capacity = wanted.min(READ_BYTES);
        let reservation = memory_budget::reserve(capacity).map_err(|_| FileSystemError::NoMemory)?;
        let buffer = fallible_buffer(capacity)?;
        let mut body = Self { parts, buffer, first: None, log_limit: log_limit.clone(), _reservation: reservation };
        body.first = Some(body.read().await?);
        Ok(body)
    }

    /// Reads the next part into the buffer; an empty one at the end.
    async fn read(&mut self) -> Result<Range<usize>, FileSystemError> {
        while let Some(part) = self.parts.front_mut() {
            match part {
                Part::Text(text) => {
                    let length = text.len().min(self.buffer.len());
                    self.buffer[..length].copy_from_slice(&text[..length]);
                    text.drain(..length);
                    if text.is_empty() {
                        self.parts.pop_front();
                    }
                    return Ok(0..length);
                }
                Part::File(reader) => {
                    let part = reader.read(&mut self.buffer).await?;
                    if !part.is_empty() {
                        return Ok(part);
                    }
                    self.parts.pop_front();
                }
            }
        }
        Ok(0..0)
    }
}

impl BodySource for FileBody {
    fn next(&mut self) -> Pin<Box<dyn Future<Output = Option<&[u8]>> + '_>> {
        Box::pin(async {
            let part = match self.first.take() {
                Some(first) => Ok(first),
                None => self.read().await,
            };
            match part {
                Ok(part) => Some(&self.buffer[part]),
                Err(error) => {
                    self.log_limit.log(error);
                    None
                }
            }
        })
    }
}
