//! The two directions of a connection, as values that move apart.

use alloc::rc::Rc;

use super::error::TcpError;
use super::stream::TcpStream;

/// The receiving half of a [`TcpStream`].
#[derive(Debug)]
pub struct TcpReader(Rc<TcpStream>);

/// The sending half of a [`TcpStream`]. Dropping it closes the sending side.
#[derive(Debug)]
pub struct TcpWriter(Rc<TcpStream>);

impl TcpStream {
    /// Splits the connection into its receiving and its sending half. It ends when both are dropped.
    ///
    /// ```
    /// use switchboard_net::{TcpConfig, TcpListener};
    /// use switchboard_net_testing::TestNetwork;
    ///
    /// let mut network = TestNetwork::new();
    /// let listener = TcpListener::bind(network.stack(), 4000, TcpConfig::new(1024, 1024))?;
    /// let group = network.group().clone();
    /// network.group().add(async move {
    ///     let (reader, writer) = listener.accept().await.split();
    ///     group.add(async move {
    ///         let _ = writer.write(b"welcome").await;
    ///     });
    ///     let mut buffer = [0; 64];
    ///     while let Ok(1..) = reader.read(&mut buffer).await {}
    /// });
    /// assert_eq!(network.exchange(4000, b"anything"), b"welcome");
    /// # Ok::<_, switchboard_net::SocketError>(())
    /// ```
    ///
    /// Lines and frames are read by crates that are written for `embedded-io-async`, such as `framez`:
    ///
    /// ```
    /// use framez::codec::lines::StrLines;
    /// use framez::{FramedRead, FramedWrite};
    /// use switchboard_net::{TcpConfig, TcpListener};
    /// use switchboard_net_testing::TestNetwork;
    ///
    /// let mut network = TestNetwork::new();
    /// let listener = TcpListener::bind(network.stack(), 4000, TcpConfig::new(1024, 1024))?;
    /// network.group().add(async move {
    ///     let (reader, writer) = listener.accept().await.split();
    ///     let (mut received, mut sent) = ([0; 100], [0; 100]);
    ///     let mut requests = FramedRead::new(StrLines::new(), reader, &mut received);
    ///     let mut answers = FramedWrite::new(StrLines::new(), writer, &mut sent);
    ///     while let Some(Ok(line)) = framez::next!(requests) {
    ///         let _ = answers.send(line.trim()).await;
    ///     }
    /// });
    /// assert_eq!(network.exchange(4000, b" one\r\ntwo \r\n"), b"one\r\ntwo\r\n");
    /// # Ok::<_, switchboard_net::SocketError>(())
    /// ```
    #[must_use]
    pub fn split(self) -> (TcpReader, TcpWriter) {
        let stream = Rc::new(self);
        (TcpReader(stream.clone()), TcpWriter(stream))
    }
}

impl TcpReader {
    /// Waits for data and copies it, as [`TcpStream::read`].
    ///
    /// # Errors
    /// Why the connection has ended.
    pub async fn read(&self, buffer: &mut [u8]) -> Result<usize, TcpError> {
        self.0.read(buffer).await
    }

    /// Waits for data and passes it to `read`, as [`TcpStream::read_with`].
    ///
    /// # Errors
    /// [`TcpError::Closed`] when the peer has closed its side and all was read, or why the connection has ended.
    pub async fn read_with<R>(&self, read: impl FnOnce(&mut [u8]) -> (usize, R)) -> Result<R, TcpError> {
        self.0.read_with(read).await
    }

    pub(super) fn stream(&self) -> &TcpStream {
        &self.0
    }
}

impl TcpWriter {
    /// Waits for room and copies data, as [`TcpStream::write`].
    ///
    /// # Errors
    /// Why the connection has ended.
    pub async fn write(&self, data: &[u8]) -> Result<usize, TcpError> {
        self.0.write(data).await
    }

    /// Waits for room and passes it to `write`, as [`TcpStream::write_with`].
    ///
    /// # Errors
    /// Why the connection has ended.
    pub async fn write_with<R>(&self, write: impl FnOnce(&mut [u8]) -> (usize, R)) -> Result<R, TcpError> {
        self.0.write_with(write).await
    }

    /// Waits until the peer has acknowledged all that was written, as [`TcpStream::flush`].
    pub async fn flush(&self) {
        self.0.flush().await;
    }

    /// Closes the sending side, as [`TcpStream::close`].
    pub fn close(&self) {
        self.0.close();
    }

    pub(super) fn stream(&self) -> &TcpStream {
        &self.0
    }
}

impl Drop for TcpWriter {
    fn drop(&mut self) {
        self.0.close();
    }
}
