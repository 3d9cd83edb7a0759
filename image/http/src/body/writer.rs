//! The writer of a streamed body.

use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::task::{Context, Poll};

use switchboard_net::Disconnected;

use crate::connection::{ByteStream, write_all};

/// How the end of a body is marked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WriterFraming {
    /// So many bytes are left.
    Length(u64),
    Chunked,
    /// By the end of the connection.
    Close,
}

/// A writer of a response's body, whose length need not be known ahead: see
/// [`Response::written`](crate::Response::written).
///
/// Each write is sent at once, as a chunk. A client that receives too slowly is disconnected.
pub struct BodyWriter {
    stream: Rc<dyn ByteStream>,
    framing: WriterFraming,
    trailers: Vec<(String, String)>,
    /// Whether a write has not ended: the chunk is incomplete then.
    is_writing: bool,
}

impl BodyWriter {
    pub(crate) const fn new(stream: Rc<dyn ByteStream>, framing: WriterFraming) -> Self {
        Self { stream, framing, trailers: Vec::new(), is_writing: false }
    }

    /// Writes a part of the body. When the future is dropped before it is ready, the body cannot be continued.
    ///
    /// # Errors
    /// [`Disconnected`] when the connection was reset or has timed out, or the body is longer than was stated.
    pub async fn write(&mut self, part: &[u8]) -> Result<(), Disconnected> {
        if core::mem::replace(&mut self.is_writing, true) {
            return Err(Disconnected);
        }
        match &mut self.framing {
            // A chunk of no bytes would be the last one.
            WriterFraming::Chunked if part.is_empty() => {}
            WriterFraming::Chunked => {
                let mut size = [0; 18];
                write_all(&*self.stream, chunk_size(part.len(), &mut size)).await?;
                write_all(&*self.stream, part).await?;
                write_all(&*self.stream, b"\r\n").await?;
            }
            WriterFraming::Close => write_all(&*self.stream, part).await?,
            WriterFraming::Length(rest) => {
                let Some(after) = rest.checked_sub(part.len() as u64) else {
                    log::error!("a body is longer than its length");
                    return Err(Disconnected);
                };
                *rest = after;
                write_all(&*self.stream, part).await?;
            }
        }
        self.is_writing = false;
        Ok(())
    }

    /// Adds a trailer (RFC 9112, 7.1.2), which is sent after the body if it is sent in chunks.
    pub fn add_trailer(&mut self, name: &str, value: &str) {
        let clean = |text: &str| text.chars().filter(|character| !character.is_control()).collect();
        self.trailers.push((clean(name), clean(value)));
    }

    /// Waits until the client has disconnected.
    pub(crate) fn poll_closed(&self, context: &mut Context<'_>) -> Poll<()> {
        self.stream.poll_closed(context)
    }

    /// Ends the body.
    pub(crate) async fn finish(self) -> Result<(), Disconnected> {
        match self.framing {
            _ if self.is_writing => return Err(Disconnected),
            WriterFraming::Close | WriterFraming::Length(0) => return Ok(()),
            WriterFraming::Length(rest) => {
                log::error!("a body lacks {rest} bytes");
                return Err(Disconnected);
            }
            WriterFraming::Chunked => {}
        }
        write_all(&*self.stream, b"0\r\n").await?;
        for (name, value) in &self.trailers {
            for piece in [name, ": ", value, "\r\n"] {
                write_all(&*self.stream, piece.as_bytes()).await?;
            }
        }
        write_all(&*self.stream, b"\r\n").await
    }
}

impl embedded_io_async::ErrorType for BodyWriter {
    type Error = embedded_io_async::ErrorKind;
}

impl embedded_io_async::Write for BodyWriter {
    async fn write(&mut self, part: &[u8]) -> Result<usize, Self::Error> {
        let written = Self::write(self, part).await;
        written.map(|()| part.len()).map_err(|Disconnected| embedded_io_async::ErrorKind::ConnectionReset)
    }

    async fn flush(&mut self) -> Result<(), Self::Error> {
        Ok(())
    }
}

impl fmt::Debug for BodyWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BodyWriter").field("framing", &self.framing).finish_non_exhaustive()
    }
}

/// Writes the line ahead of a chunk to the end of `buffer`.
fn chunk_size(mut size: usize, buffer: &mut [u8; 18]) -> &[u8] {
    let mut start = 16;
    buffer[16..].copy_from_slice(b"\r\n");
    while size > 0 {
        start -= 1;
        buffer[start] = b"0123456789abcdef"[size & 15];
        size >>= 4;
    }
    &buffer[start..]
}
