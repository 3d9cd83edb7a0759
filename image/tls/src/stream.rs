//! The TLS stream over a transport.

use core::fmt;

use embassy_time::{Duration, with_timeout};
use embedded_io_async::{ErrorType, Read, Write};
use rustls::{HandshakeKind, ProtocolVersion};

use crate::error::TlsError;
use crate::session::{End, Failure, MAX_TEXT_BYTES, Session};

/// The time that a peer has for its part of a handshake.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// The time for the alert of a handshake that has failed.
const ALERT_TIMEOUT: Duration = Duration::from_secs(1);

/// A TLS connection over a byte stream, such as a TCP connection, and itself a byte stream.
///
/// Made by [`TlsAcceptor::accept`](crate::TlsAcceptor::accept) and [`TlsConnector::connect`](crate::TlsConnector::connect).
/// A future of [`read`](Read::read) may be dropped without loss. One of [`write`](Write::write) may be dropped, too: then
/// the data may have been sent or not, and what follows is sent after it.
///
/// An idle connection has no buffers but one KiB to read into: records and decrypted data take memory while they are
/// under way.
pub struct TlsStream<T> {
    transport: T,
    session: Session,
}

impl<T: Read + Write> TlsStream<T> {
    /// Makes a stream of which the handshake is complete.
    pub(crate) async fn start(transport: T, end: End) -> Result<Self, TlsError<T::Error>> {
        let mut stream = Self { transport, session: Session::new(end).map_err(error)? };
        match with_timeout(HANDSHAKE_TIMEOUT, stream.handshake()).await {
            Ok(Ok(())) => Ok(stream),
            Ok(Err(error)) => {
                // For the alert, which explains the end to the peer.
                let _sent = with_timeout(ALERT_TIMEOUT, stream.flush()).await;
                Err(error)
            }
            Err(_) => Err(TlsError::TimedOut),
        }
    }

    async fn handshake(&mut self) -> Result<(), TlsError<T::Error>> {
        self.process().await?;
        while !self.session.is_established {
            self.receive().await?;
        }
        Ok(())
    }

    /// Processes what was received, and sends what is to be sent: an alert, too.
    async fn process(&mut self) -> Result<(), TlsError<T::Error>> {
        let processed = self.session.process().map_err(error);
        let sent = self.send().await;
        processed.and(sent)
    }

    /// Receives and processes more bytes.
    async fn receive(&mut self) -> Result<(), TlsError<T::Error>> {
        let room = self.session.buffers.room().map_err(|_| TlsError::OutOfMemory)?;
        let count = self.transport.read(room).await.map_err(TlsError::Transport)?;
        if count == 0 {
            return Err(TlsError::UnexpectedEof);
        }
        self.session.buffers.add_received(count);
        self.process().await
    }

    /// Writes all records to the transport.
    async fn send(&mut self) -> Result<(), TlsError<T::Error>> {
        while !self.session.buffers.unsent().is_empty() {
            let count = self.transport.write(self.session.buffers.unsent()).await.map_err(TlsError::Transport)?;
            if count == 0 {
                return Err(TlsError::UnexpectedEof);
            }
            self.session.buffers.add_sent(count);
        }
        Ok(())
    }

    /// Waits for data, and returns it; an empty slice at the end. [`consume`](Self::consume) removes what was used.
    ///
    /// # Errors
    /// As [`read`](Read::read).
    pub async fn fill(&mut self) -> Result<&mut [u8], TlsError<T::Error>> {
        while self.session.buffers.unread().is_empty() && !self.session.is_ended {
            self.receive().await?;
        }
        Ok(self.session.buffers.unread())
    }

    /// Removes `count` bytes from what [`fill`](Self::fill) returned.
    pub fn consume(&mut self, count: usize) {
        self.session.buffers.consume(count);
    }

    /// Ends TLS, and waits until the peer has received everything. The transport stays open.
    ///
    /// # Errors
    /// [`TlsError`] when the transport fails.
    pub async fn close(&mut self) -> Result<(), TlsError<T::Error>> {
        self.session.close().map_err(error)?;
        self.send().await?;
        self.transport.flush().await.map_err(TlsError::Transport)
    }
}

impl<T> TlsStream<T> {
    /// Returns the application protocol that both ends have agreed on (ALPN, RFC 7301).
    #[must_use]
    pub fn protocol(&self) -> Option<&[u8]> {
        self.session.common().alpn_protocol()
    }

    /// Returns the version of TLS.
    #[must_use]
    pub fn version(&self) -> Option<ProtocolVersion> {
        self.session.common().protocol_version()
    }

    /// Returns `true` if an earlier session was resumed, without certificates.
    #[must_use]
    pub fn is_resumed(&self) -> bool {
        self.session.common().handshake_kind() == Some(HandshakeKind::Resumed)
    }

    /// Returns the transport.
    pub fn transport(&self) -> &T {
        &self.transport
    }

    /// Returns the transport. [`close`](Self::close) comes before.
    pub fn into_transport(self) -> T {
        self.transport
    }
}

impl<T: ErrorType> ErrorType for TlsStream<T> {
    type Error = TlsError<T::Error>;
}

impl<T: Read + Write> Read for TlsStream<T> {
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Self::Error> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let data = self.fill().await?;
        let count = data.len().min(buffer.len());
        buffer[..count].copy_from_slice(&data[..count]);
        self.consume(count);
        Ok(count)
    }
}

impl<T: Read + Write> Write for TlsStream<T> {
    async fn write(&mut self, data: &[u8]) -> Result<usize, Self::Error> {
        if data.is_empty() {
            return Ok(0);
        }
        if self.session.is_closed {
            return Err(TlsError::Closed);
        }
        // What an earlier call has left, if its future was dropped.
        self.send().await?;
        let part = &data[..data.len().min(MAX_TEXT_BYTES)];
        self.session.write(part).map_err(error)?;
        self.send().await?;
        Ok(part.len())
    }

    async fn flush(&mut self) -> Result<(), Self::Error> {
        self.send().await?;
        self.transport.flush().await.map_err(TlsError::Transport)
    }
}

impl<T> fmt::Debug for TlsStream<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsStream").field("version", &self.version()).finish_non_exhaustive()
    }
}

fn error<E>(failure: Failure) -> TlsError<E> {
    match failure {
        Failure::OutOfMemory => TlsError::OutOfMemory,
        Failure::Protocol(error) => TlsError::Protocol(error),
    }
}
