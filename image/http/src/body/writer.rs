//! The writer of a streamed body.

use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::future::poll_fn;
use core::task::{Context, Poll, Waker};

use switchboard_net::Disconnected;
use switchboard_runtime::log_limit::LogLimit;

use crate::connection::{ByteStream, write_all};

/// The room that is waited for before much is written at once.
const ROOM_BYTES: usize = 32 * 1024;

/// The limit of lines about bodies of another length than announced.
static LENGTH: LogLimit = LogLimit::new();

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
                    LENGTH.log(log::Level::Error, format_args!("a body is longer than its length"));
                    return Err(Disconnected);
                };
                *rest = after;
                write_all(&*self.stream, part).await?;
            }
        }
        self.is_writing = false;
        Ok(())
    }

    /// Waits until there is room to send many bytes at once. Returns how many [`write_now`](Self::write_now) sends at least;
    /// 0 if that is not known.
    ///
    /// ```
    /// use switchboard_http::{Answer, BodyWriter, HttpCounters, Request, Response, Site, StatusCode, TEXT};
    /// use switchboard_net_testing::TestNetwork;
    ///
    /// const LENGTH: usize = 100_000;
    ///
    /// struct Device;
    ///
    /// impl Site for Device {
    ///     fn answer(&'static self, _request: &Request<'_>) -> Answer {
    ///         let write = async |mut body: BodyWriter| {
    ///             let mut rest = LENGTH;
    ///             while rest > 0 {
    ///                 let part = body.room().await?.min(rest);
    ///                 // What a device lends for the moment is copied once.
    ///                 let buffer = vec![b'.'; part];
    ///                 assert_eq!(body.write_now(&buffer)?, part);
    ///                 rest -= part;
    ///             }
    ///             Ok(body)
    ///         };
    ///         Answer::Now(Response::written_with_length(StatusCode::OK, TEXT, LENGTH as u64, write))
    ///     }
    /// }
    ///
    /// let mut network = TestNetwork::new();
    /// switchboard_http::serve(network.group(), network.stack(), &Device, HttpCounters::leak());
    /// let response = network.exchange(80, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    /// assert!(response.ends_with(&[b'.'; LENGTH]));
    /// ```
    ///
    /// # Errors
    /// [`Disconnected`] when the connection was reset or has timed out.
    pub async fn room(&mut self) -> Result<usize, Disconnected> {
        match self.framing {
            WriterFraming::Length(_) => poll_fn(|context| self.stream.poll_room(context, ROOM_BYTES)).await,
            WriterFraming::Chunked | WriterFraming::Close => Ok(0),
        }
    }

    /// Writes as much of a part of the body as there is room for now, without waiting, and returns how many bytes that were:
    /// for data that is at hand only for the moment, such as in a device's buffer. A body that is sent in chunks has no room.
    ///
    /// # Errors
    /// [`Disconnected`] when the connection was reset or has timed out, or the body is longer than was stated.
    pub fn write_now(&mut self, part: &[u8]) -> Result<usize, Disconnected> {
        let WriterFraming::Length(rest) = &mut self.framing else { return Ok(0) };
        if self.is_writing || part.len() as u64 > *rest {
            return Err(Disconnected);
        }
        let mut written = 0;
        let mut context = Context::from_waker(Waker::noop());
        while written < part.len() {
            let mut write = |room: &mut [u8]| {
                let length = room.len().min(part.len() - written);
                room[..length].copy_from_slice(&part[written..written + length]);
                written += length;
                length
            };
            match self.stream.poll_write(&mut context, &mut write) {
                Poll::Ready(result) => result?,
                Poll::Pending => break,
            }
        }
        *rest -= written as u64;
        Ok(written)
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
                LENGTH.log(log::Level::Error, format_args!("a body lacks {rest} bytes"));
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
