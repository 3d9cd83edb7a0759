//! A small HTTP/1.1 client on one kept-alive connection, strict about what it accepts.

use core::net::{Ipv4Addr, SocketAddr};
use core::time::Duration;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};

/// Why a request has no valid response.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HttpError {
    /// The connection failed or timed out.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The response is not HTTP.
    #[error("the answer is not HTTP: {0}")]
    Parse(httparse::Error),
    /// The connection was closed in the middle of a response.
    #[error("the connection was closed after {received} bytes of an answer")]
    Closed {
        /// Bytes of the response received before.
        received: usize,
    },
    /// A length is not a number.
    #[error("the answer's length is `{0}`")]
    Length(String),
}

/// A response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// Status code, as 200.
    pub status: u16,
    /// Headers in the order received.
    pub headers: Vec<(String, String)>,
    /// The whole body.
    pub body: Vec<u8>,
}

impl Response {
    /// Returns the value of a header; the case of its name does not matter.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// A connection to the guest.
#[derive(Debug)]
pub struct Client {
    stream: TcpStream,
    /// Bytes received and not yet consumed.
    buffer: Vec<u8>,
}

impl Client {
    /// Connects to a host port, with `timeout` for each read and write from then on.
    ///
    /// # Errors
    /// [`HttpError::Io`].
    pub fn connect(port: u16, timeout: Duration) -> Result<Self, HttpError> {
        Self::connect_to((Ipv4Addr::LOCALHOST, port).into(), timeout)
    }

    /// Connects to any address, with `timeout` for that and for each read and write from then on.
    ///
    /// # Errors
    /// [`HttpError::Io`].
    pub fn connect_to(address: SocketAddr, timeout: Duration) -> Result<Self, HttpError> {
        let stream = TcpStream::connect_timeout(&address, timeout)?;
        stream.set_nodelay(true)?;
        let mut client = Self { stream, buffer: Vec::new() };
        client.set_timeout(timeout)?;
        Ok(client)
    }

    /// Sets the timeout of each read and write.
    ///
    /// # Errors
    /// [`HttpError::Io`].
    pub fn set_timeout(&mut self, timeout: Duration) -> Result<(), HttpError> {
        self.stream.set_read_timeout(Some(timeout))?;
        self.stream.set_write_timeout(Some(timeout))?;
        Ok(())
    }

    /// Requests `path` and returns the response; the connection stays open for the next request.
    ///
    /// # Errors
    /// [`HttpError`].
    pub fn get(&mut self, path: &str) -> Result<Response, HttpError> {
        // In one write: a guest keeps the first piece of a head in memory until the rest has come.
        self.stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: switchboard\r\n\r\n").as_bytes())?;
        self.response()
    }

    /// Sends raw bytes.
    ///
    /// # Errors
    /// [`HttpError::Io`].
    pub fn send(&mut self, bytes: &[u8]) -> Result<(), HttpError> {
        Ok(self.stream.write_all(bytes)?)
    }

    /// Reads one response.
    ///
    /// # Errors
    /// [`HttpError`].
    pub fn response(&mut self) -> Result<Response, HttpError> {
        let (mut response, head) = loop {
            if let Some(parsed) = parse_head(&self.buffer)? {
                break parsed;
            }
            self.fill()?;
        };
        self.buffer.drain(..head);
        if let Some(length) = response.header("content-length") {
            let length = length.parse().map_err(|_| HttpError::Length(length.to_owned()))?;
            response.body = self.take(length)?;
        } else if response.header("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked")) {
            while let chunk @ 1.. = self.chunk_size()? {
                let data = self.take(chunk)?;
                response.body.extend(data);
                self.take(2)?;
            }
            self.take(2)?;
        } else if response.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close")) {
            // RFC 9112, 6.3: without a length, the body ends with the connection.
            self.stream.read_to_end(&mut self.buffer)?;
            response.body = core::mem::take(&mut self.buffer);
        }
        Ok(response)
    }

    fn chunk_size(&mut self) -> Result<usize, HttpError> {
        let end = loop {
            if let Some(end) = self.buffer.windows(2).position(|pair| pair == b"\r\n") {
                break end;
            }
            self.fill()?;
        };
        let line = String::from_utf8_lossy(&self.take(end + 2)?).trim().to_owned();
        usize::from_str_radix(&line, 16).map_err(|_| HttpError::Length(line))
    }

    fn take(&mut self, length: usize) -> Result<Vec<u8>, HttpError> {
        while self.buffer.len() < length {
            self.fill()?;
        }
        Ok(self.buffer.drain(..length).collect())
    }

    fn fill(&mut self) -> Result<(), HttpError> {
        let mut chunk = [0; 16 * 1024];
        let length = self.stream.read(&mut chunk)?;
        if length == 0 {
            return Err(HttpError::Closed { received: self.buffer.len() });
        }
        self.buffer.extend_from_slice(&chunk[..length]);
        Ok(())
    }
}

/// Parses status and headers, and returns them with their length in bytes; `None` while they are incomplete.
pub(crate) fn parse_head(buffer: &[u8]) -> Result<Option<(Response, usize)>, HttpError> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut head = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(length) = head.parse(buffer).map_err(HttpError::Parse)? else { return Ok(None) };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let headers = head.headers.iter().map(|header| (header.name.to_owned(), text(header.value))).collect();
    Ok(Some((Response { status: head.code.unwrap_or(0), headers, body: Vec::new() }, length)))
}

/// Sends `bytes` on a new connection, shuts down the sending side, and returns all that is received until the peer
/// closes.
///
/// # Errors
/// Returns an error when the connection fails, or the peer does not close within `timeout`.
pub fn exchange(port: u16, bytes: &[u8], timeout: Duration) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(timeout))?;
    stream.write_all(bytes)?;
    stream.shutdown(Shutdown::Write)?;
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        // A reset ends the connection too.
        Err(error) if error.kind() != io::ErrorKind::ConnectionReset => Err(error),
        _ => Ok(answer),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use std::thread;

    /// Returns a client whose peer has sent `answer` and closed.
    fn answered(answer: &'static [u8]) -> Client {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let port = listener.local_addr().expect("its number").port();
        thread::spawn(move || listener.accept().expect("a connection").0.write_all(answer));
        Client::connect(port, Duration::from_secs(5)).expect("a connection")
    }

    #[test]
    fn responses_on_one_connection_are_kept_apart() {
        let mut client = answered(
            b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcHTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n",
        );
        let first = client.response().expect("the first");
        assert_eq!((first.status, first.body.as_slice()), (200, &b"abc"[..]));
        let second = client.response().expect("the second");
        assert_eq!((second.status, second.body.as_slice()), (404, &b"no"[..]));
        assert!(matches!(client.response(), Err(HttpError::Closed { received: 0 })));
    }

    #[test]
    fn truncated_and_malformed_responses_are_errors() {
        let cut = answered(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc").response();
        assert!(matches!(cut, Err(HttpError::Closed { received: 3 })), "{cut:?}");
        let wrong = answered(b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n").response();
        assert!(matches!(wrong, Err(HttpError::Length(_))), "{wrong:?}");
        let junk = answered(b"220 smtp\r\n\r\n").response();
        assert!(matches!(junk, Err(HttpError::Parse(_))), "{junk:?}");
    }
}
