//! Bodies of requests.

use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::future::poll_fn;

use switchboard_runtime::memory_budget::{self, Reservation};

use super::body_error::BodyError;
use super::shared::BodyShared;
use crate::connection::StreamError;

/// The body of a request, which is read from the connection: [`Request::body`](crate::Request::body) opens it.
///
/// It is read at most as fast as it is used, in the receive buffer. `100-continue` is answered when it is first read. What
/// is left unread after the response is skipped; if that is much, the connection is closed. A client that sends too slowly
/// is an error.
///
/// ```
/// use switchboard_http::{Answer, HttpCounters, Methods, Request, Response, Site, StatusCode, TEXT};
/// use switchboard_net_testing::TestNetwork;
///
/// struct Reverser;
///
/// impl Site for Reverser {
///     fn methods(&self, _path: &str) -> Methods {
///         Methods::NONE.with(switchboard_http::Method::Post)
///     }
///
///     fn answer(&'static self, request: &Request<'_>) -> Answer {
///         let mut body = request.body();
///         Answer::later(async move {
///             match body.collect(1000).await {
///                 Ok(bytes) => Response::new(StatusCode::OK, TEXT, bytes.into_iter().rev().collect::<Vec<u8>>()),
///                 Err(error) => error.into(),
///             }
///         })
///     }
/// }
///
/// let mut network = TestNetwork::new();
/// switchboard_http::serve(network.group(), network.stack(), &Reverser, HttpCounters::leak());
/// let response = network.exchange(80, b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc");
/// assert!(response.ends_with(b"\r\n\r\ncba"));
/// let chunks = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n";
/// assert!(network.exchange(80, chunks).ends_with(b"\r\n\r\ncba"));
/// ```
pub struct RequestBody {
    /// `None` without a body.
    shared: Option<Rc<BodyShared>>,
}

impl RequestBody {
    /// Creates a body without content.
    pub(crate) const fn empty() -> Self {
        Self { shared: None }
    }

    pub(crate) const fn new(shared: Rc<BodyShared>) -> Self {
        Self { shared: Some(shared) }
    }

    /// Waits for content, and passes it to `read` where it arrived. `read` returns how many bytes it has consumed, and a
    /// result. Returns `None` at the end. Dropping the future loses nothing.
    ///
    /// # Errors
    /// All but [`BodyError::TooLarge`].
    pub async fn read_with<R>(&mut self, read: impl FnOnce(&mut [u8]) -> (usize, R)) -> Result<Option<R>, BodyError> {
        let Some(shared) = &self.shared else { return Ok(None) };
        let (mut read, mut result) = (Some(read), None);
        let mut act = |data: &mut [u8]| {
            let Some(read) = read.take() else { return 0 };
            let (taken, value) = read(data);
            result = Some(value);
            taken
        };
        poll_fn(|context| shared.poll_read(context, &mut act)).await?;
        Ok(result)
    }

    /// Waits for content, and copies it. Returns the number of bytes; 0 at the end. Dropping the future loses nothing.
    ///
    /// # Errors
    /// All but [`BodyError::TooLarge`].
    pub async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, BodyError> {
        let copy = |data: &mut [u8]| {
            let length = data.len().min(buffer.len());
            buffer[..length].copy_from_slice(&data[..length]);
            (length, length)
        };
        Ok(self.read_with(copy).await?.unwrap_or(0))
    }

    /// Reads the rest of the body, which has at most so many bytes.
    ///
    /// # Errors
    /// Any [`BodyError`].
    pub async fn collect(&mut self, limit: usize) -> Result<Vec<u8>, BodyError> {
        let mut bytes = Vec::new();
        let rest = self.shared.as_ref().map_or(0, |shared| shared.decoder.borrow().min_rest());
        let rest = usize::try_from(rest).ok().filter(|rest| *rest <= limit).ok_or(BodyError::TooLarge { limit })?;
        // A length is only a claim until the bytes arrive.
        bytes.try_reserve(rest.min(4096)).map_err(|_| BodyError::NoMemory)?;
        // What is being received counts, since the client can take its time.
        let mut reservation = memory_budget::reserve(bytes.capacity()).map_err(|_| BodyError::NoMemory)?;
        loop {
            let append = |data: &mut [u8]| (data.len(), extend(&mut bytes, data, limit, &mut reservation));
            match self.read_with(append).await? {
                Some(result) => result?,
                None => return Ok(bytes),
            }
        }
    }

    /// Reads the rest of the body as text, which has at most so many bytes.
    ///
    /// # Errors
    /// Any [`BodyError`]; [`BodyError::Malformed`] unless it is UTF-8.
    pub async fn text(&mut self, limit: usize) -> Result<String, BodyError> {
        String::from_utf8(self.collect(limit).await?).map_err(|_| BodyError::Malformed("The body is not UTF-8\n"))
    }

    /// Returns the trailers after the last chunk (RFC 9112, 7.1.2), once the body was read to its end.
    #[must_use]
    pub fn trailers(&self) -> Vec<(String, String)> {
        let Some(shared) = &self.shared else { return Vec::new() };
        let decoder = shared.decoder.borrow();
        let lines = core::str::from_utf8(decoder.trailers()).unwrap_or_default().split("\r\n");
        let pairs = lines.filter_map(|line| line.split_once(':'));
        pairs.map(|(name, value)| (name.into(), value.trim_matches([' ', '\t']).into())).collect()
    }
}

/// Appends data within the limit and the memory budget.
fn extend(bytes: &mut Vec<u8>, data: &[u8], limit: usize, reservation: &mut Reservation) -> Result<(), BodyError> {
    if bytes.len() + data.len() > limit {
        return Err(BodyError::TooLarge { limit });
    }
    if bytes.capacity() - bytes.len() < data.len() {
        let capacity = (bytes.capacity() * 2).max(bytes.len() + data.len());
        reservation.resize(capacity).map_err(|_| BodyError::NoMemory)?;
        bytes.try_reserve_exact(capacity - bytes.len()).map_err(|_| BodyError::NoMemory)?;
    }
    bytes.extend_from_slice(data);
    Ok(())
}

impl embedded_io_async::ErrorType for RequestBody {
    type Error = BodyError;
}

impl embedded_io_async::Read for RequestBody {
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, BodyError> {
        Self::read(self, buffer).await
    }
}

impl From<StreamError> for BodyError {
    fn from(error: StreamError) -> Self {
        match error {
            StreamError::Disconnected => Self::Disconnected,
            StreamError::TimedOut => Self::TimedOut,
        }
    }
}

impl fmt::Debug for RequestBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decoder = self.shared.as_ref().map(|shared| shared.decoder.borrow());
        f.debug_tuple("RequestBody").field(&decoder).finish()
    }
}
