//! An open WebSocket.

use alloc::vec::Vec;
use core::net::SocketAddr;

use edge_ws::{FrameHeader, FrameType};

use super::assembler::{Assembler, Received};
use super::message::{CloseCode, Message, WebSocketError};
use crate::connection::UpgradedStream;

/// A WebSocket of the server's side: see [`WebSocketUpgrade`](super::WebSocketUpgrade).
///
/// Pings are answered, and messages assembled, by [`receive`](Self::receive).
#[derive(Debug)]
pub struct WebSocket {
    stream: UpgradedStream,
    assembler: Assembler,
    /// Control frames that are still to be sent, so that dropping the future of `receive` cuts none off.
    control: Vec<u8>,
    is_closed: bool,
    close_code: Option<CloseCode>,
}

impl WebSocket {
    pub(super) const fn new(stream: UpgradedStream, max_message_bytes: usize) -> Self {
        let assembler = Assembler::new(max_message_bytes);
        Self { stream, assembler, control: Vec::new(), is_closed: false, close_code: None }
    }

    /// Waits for the next message. Returns `None` when the peer has closed the socket. Dropping the future loses nothing.
    ///
    /// # Errors
    /// Any [`WebSocketError`]; the socket is closed then.
    pub async fn receive(&mut self) -> Result<Option<Message>, WebSocketError> {
        loop {
            self.flush_control().await?;
            if self.is_closed {
                return Ok(None);
            }
            let assembler = &mut self.assembler;
            match self.stream.read_with(|data| assembler.consume(data)).await? {
                Ok(Some(Received::Message(message))) => return Ok(Some(message)),
                Ok(Some(Received::Ping(payload))) => self.queue(FrameType::Pong, &payload)?,
                Ok(Some(Received::Close(code))) => {
                    self.is_closed = true;
                    self.close_code = code;
                    self.queue_close(code, "")?;
                }
                Ok(Some(Received::Pong) | None) => {}
                Err(code) => {
                    self.is_closed = true;
                    self.queue_close(Some(code), "")?;
                    self.flush_control().await?;
                    return Err(WebSocketError::Protocol(code));
                }
            }
        }
    }

    /// Sends a message. If the future is dropped before it is ready, the socket cannot be used further.
    ///
    /// # Errors
    /// [`WebSocketError::Disconnected`], also after either side has closed the socket.
    pub async fn send(&mut self, message: &Message) -> Result<(), WebSocketError> {
        match message {
            Message::Text(text) => self.send_frame(FrameType::Text(false), text.as_bytes()).await,
            Message::Binary(bytes) => self.send_frame(FrameType::Binary(false), bytes).await,
        }
    }

    /// As [`send`](Self::send), for a text.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub async fn send_text(&mut self, text: &str) -> Result<(), WebSocketError> {
        self.send_frame(FrameType::Text(false), text.as_bytes()).await
    }

    /// Sends a ping, which the peer answers: to keep a connection alive whose address is translated on its way.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub async fn ping(&mut self) -> Result<(), WebSocketError> {
        self.queue(FrameType::Ping, b"")?;
        self.flush_control().await
    }

    /// Closes the socket with a code and a reason of at most 123 bytes, and waits until the peer has closed it, too.
    ///
    /// # Errors
    /// [`WebSocketError::Disconnected`] when the peer did not close it properly.
    pub async fn close(mut self, code: CloseCode, reason: &str) -> Result<(), WebSocketError> {
        if self.is_closed {
            return Ok(());
        }
        self.queue_close(Some(code), reason)?;
        self.flush_control().await?;
        loop {
            let assembler = &mut self.assembler;
            match self.stream.read_with(|data| assembler.consume(data)).await? {
                Ok(Some(Received::Close(_))) | Err(_) => return Ok(()),
                Ok(_) => {}
            }
        }
    }

    /// Returns the code with which the peer has closed the socket; `None` without one.
    #[must_use]
    pub const fn close_code(&self) -> Option<CloseCode> {
        self.close_code
    }

    /// Returns the address and port of the peer, while connected.
    #[must_use]
    pub fn peer(&self) -> Option<SocketAddr> {
        self.stream.peer()
    }

    async fn send_frame(&mut self, kind: FrameType, payload: &[u8]) -> Result<(), WebSocketError> {
        if self.is_closed {
            return Err(WebSocketError::Disconnected);
        }
        self.flush_control().await?;
        let (header, length) = header(kind, payload.len())?;
        self.stream.write_all(&header[..length]).await?;
        self.stream.write_all(payload).await?;
        Ok(())
    }

    /// Adds a control frame to what is still to be sent.
    fn queue(&mut self, kind: FrameType, payload: &[u8]) -> Result<(), WebSocketError> {
        let (header, length) = header(kind, payload.len())?;
        self.control.extend_from_slice(&header[..length]);
        self.control.extend_from_slice(payload);
        Ok(())
    }

    fn queue_close(&mut self, code: Option<CloseCode>, reason: &str) -> Result<(), WebSocketError> {
        let mut payload = Vec::new();
        if let Some(code) = code {
            payload.extend_from_slice(&code.code().to_be_bytes());
            payload.extend_from_slice(&reason.as_bytes()[..reason.floor_char_boundary(123)]);
        }
        self.queue(FrameType::Close, &payload)
    }

    async fn flush_control(&mut self) -> Result<(), WebSocketError> {
        while !self.control.is_empty() {
            let control = &mut self.control;
            self.stream
                .write_with(|room| {
                    let length = control.len().min(room.len());
                    room[..length].copy_from_slice(&control[..length]);
                    control.drain(..length);
                    length
                })
                .await?;
        }
        Ok(())
    }
}

/// Returns a header, and its length.
fn header(frame_type: FrameType, length: usize) -> Result<([u8; FrameHeader::MAX_LEN], usize), WebSocketError> {
    let mut bytes = [0; FrameHeader::MAX_LEN];
    let header = FrameHeader { frame_type, payload_len: length as u64, mask_key: None };
    let length = header.serialize(&mut bytes).map_err(|_| WebSocketError::Disconnected)?;
    Ok((bytes, length))
}
