//! The assembling of messages from frames that arrive in pieces of any size.

use alloc::string::String;
use alloc::vec::Vec;

use edge_ws::{Error, FrameHeader, FrameType};

use switchboard_runtime::memory_budget::{self, Reservation};

use super::message::{CloseCode, Message};

/// The maximum length of the payload of a control frame (RFC 6455, 5.5).
const MAX_CONTROL_BYTES: usize = 125;

/// What was received.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Received {
    Message(Message),
    Ping(Vec<u8>),
    Pong,
    Close(Option<CloseCode>),
}

/// A frame whose payload is being received.
#[derive(Debug)]
struct Frame {
    kind: FrameType,
    rest: usize,
    /// The mask, rotated so that its first byte is that of the next byte.
    mask: [u8; 4],
}

/// Assembles messages.
#[derive(Debug)]
pub(super) struct Assembler {
    header: [u8; FrameHeader::MAX_LEN],
    header_bytes: usize,
    frame: Option<Frame>,
    /// Whether the message that has begun is text; `None` between messages.
    is_text: Option<bool>,
    message: Vec<u8>,
    /// Counts the message while it is received, since the peer can take its time.
    reservation: Option<Reservation>,
    /// How much of a text is known to be UTF-8.
    valid_bytes: usize,
    control: Vec<u8>,
    max_message_bytes: usize,
}

impl Assembler {
    pub(super) const fn new(max_message_bytes: usize) -> Self {
        Self {
            header: [0; FrameHeader::MAX_LEN],
            header_bytes: 0,
            frame: None,
            is_text: None,
            message: Vec::new(),
            reservation: None,
            valid_bytes: 0,
            control: Vec::new(),
            max_message_bytes,
        }
    }

    /// Consumes received data up to the end of a frame that completes something. Returns how many bytes it consumed.
    pub(super) fn consume(&mut self, data: &mut [u8]) -> (usize, Result<Option<Received>, CloseCode>) {
        let mut consumed = 0;
        loop {
            let rest = &mut data[consumed..];
            let Some(frame) = &mut self.frame else {
                if rest.is_empty() {
                    return (consumed, Ok(None));
                }
                match self.header(rest) {
                    Ok(length) => consumed += length,
                    Err(code) => return (consumed, Err(code)),
                }
                continue;
            };
            let length = frame.rest.min(rest.len());
            if length == 0 && frame.rest > 0 {
                return (consumed, Ok(None));
            }
            let payload = &mut rest[..length];
            unmask(payload, &mut frame.mask);
            frame.rest -= length;
            consumed += length;
            let (kind, is_complete) = (frame.kind, frame.rest == 0);
            if is_complete {
                self.frame = None;
            }
            let received =
                self.payload(kind, payload).and_then(|()| if is_complete { self.end(kind) } else { Ok(None) });
            if !matches!(received, Ok(None)) {
                return (consumed, received);
            }
        }
    }

    /// Consumes bytes of a header.
    fn header(&mut self, data: &[u8]) -> Result<usize, CloseCode> {
        let known = FrameHeader::deserialize(&self.header[..self.header_bytes]);
        if let Err(Error::Incomplete(missing)) = known {
            let length = missing.min(data.len());
            self.header[self.header_bytes..self.header_bytes + length].copy_from_slice(&data[..length]);
            self.header_bytes += length;
            if length == missing {
                self.begin()?;
            }
            return Ok(length);
        }
        Err(CloseCode::PROTOCOL_ERROR)
    }

    /// Begins the payload, if the header is complete.
    fn begin(&mut self) -> Result<(), CloseCode> {
        let header = match FrameHeader::deserialize(&self.header[..self.header_bytes]) {
            Ok((header, _)) => header,
            Err(Error::Incomplete(_)) => return Ok(()),
            Err(_) => return Err(CloseCode::PROTOCOL_ERROR),
        };
        let (is_final, has_long_length) = (self.header[0] & 0x80 != 0, header.serialized_len() != self.header_bytes);
        self.header_bytes = 0;
        // A client masks each frame (RFC 6455, 5.1), and encodes lengths in the fewest bytes (5.2).
        let mask = header.mask_key.filter(|_| !has_long_length).ok_or(CloseCode::PROTOCOL_ERROR)?;
        let is_control = matches!(header.frame_type, FrameType::Ping | FrameType::Pong | FrameType::Close);
        let rest = usize::try_from(header.payload_len).map_err(|_| CloseCode::TOO_LARGE)?;
        match header.frame_type {
            _ if is_control && (!is_final || rest > MAX_CONTROL_BYTES) => return Err(CloseCode::PROTOCOL_ERROR),
            FrameType::Text(_) | FrameType::Binary(_) if self.is_text.is_some() => {
                return Err(CloseCode::PROTOCOL_ERROR);
            }
            FrameType::Text(_) => self.is_text = Some(true),
            FrameType::Binary(_) => self.is_text = Some(false),
            FrameType::Continue(_) if self.is_text.is_none() => return Err(CloseCode::PROTOCOL_ERROR),
            _ => {}
        }
        if !is_control && rest > self.max_message_bytes.saturating_sub(self.message.len()) {
            return Err(CloseCode::TOO_LARGE);
        }
        self.frame = Some(Frame { kind: header.frame_type, rest, mask: mask.to_be_bytes() });
        Ok(())
    }

    fn payload(&mut self, kind: FrameType, payload: &[u8]) -> Result<(), CloseCode> {
        let is_control = matches!(kind, FrameType::Ping | FrameType::Pong | FrameType::Close);
        let buffer = if is_control { &mut self.control } else { &mut self.message };
        // Without memory for it, a message is as good as too long.
        if buffer.capacity() - buffer.len() < payload.len() {
            let capacity = (buffer.capacity() * 2).max(buffer.len() + payload.len());
            if !is_control {
                match &mut self.reservation {
                    Some(reservation) => reservation.resize(capacity).map_err(|_| CloseCode::TOO_LARGE)?,
                    None => {
                        self.reservation = Some(memory_budget::reserve(capacity).map_err(|_| CloseCode::TOO_LARGE)?);
                    }
                }
            }
            buffer.try_reserve_exact(capacity - buffer.len()).map_err(|_| CloseCode::TOO_LARGE)?;
        }
        buffer.extend_from_slice(payload);
        if !is_control && self.is_text == Some(true) {
            // Checked piece by piece, so that an invalid text is refused before its end.
            match core::str::from_utf8(&self.message[self.valid_bytes..]) {
                Ok(text) => self.valid_bytes += text.len(),
                Err(error) if error.error_len().is_none() => self.valid_bytes += error.valid_up_to(),
                Err(_) => return Err(CloseCode::INVALID_DATA),
            }
        }
        Ok(())
    }

    /// Handles the end of a frame.
    fn end(&mut self, kind: FrameType) -> Result<Option<Received>, CloseCode> {
        match kind {
            FrameType::Ping => return Ok(Some(Received::Ping(core::mem::take(&mut self.control)))),
            FrameType::Pong => {
                self.control.clear();
                return Ok(Some(Received::Pong));
            }
            FrameType::Close => return close(&core::mem::take(&mut self.control)).map(Some),
            FrameType::Text(is_fragmented) | FrameType::Binary(is_fragmented) if is_fragmented => return Ok(None),
            FrameType::Continue(false) => return Ok(None),
            _ => {}
        }
        let (message, valid_bytes) = (core::mem::take(&mut self.message), core::mem::take(&mut self.valid_bytes));
        self.reservation = None;
        if self.is_text.take() != Some(true) {
            return Ok(Some(Received::Message(Message::Binary(message))));
        }
        if valid_bytes != message.len() {
            return Err(CloseCode::INVALID_DATA);
        }
        let text = String::from_utf8(message).map_err(|_| CloseCode::INVALID_DATA)?;
        Ok(Some(Received::Message(Message::Text(text))))
    }
}

/// Parses the payload of a close frame: nothing, or a code and a reason (RFC 6455, 5.5.1).
fn close(payload: &[u8]) -> Result<Received, CloseCode> {
    match payload {
        [] => Ok(Received::Close(None)),
        [first, second, reason @ ..] => {
            let code = CloseCode::new(u16::from_be_bytes([*first, *second])).ok_or(CloseCode::PROTOCOL_ERROR)?;
            core::str::from_utf8(reason).map_err(|_| CloseCode::INVALID_DATA)?;
            Ok(Received::Close(Some(code)))
        }
        [_] => Err(CloseCode::PROTOCOL_ERROR),
    }
}

/// Removes the mask, eight bytes at a time.
fn unmask(payload: &mut [u8], mask: &mut [u8; 4]) {
    let [a, b, c, d] = *mask;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (chunks, rest) = payload.as_chunks_mut::<8>();
    for chunk in chunks {
        *chunk = (u64::from_ne_bytes(*chunk) ^ wide).to_ne_bytes();
    }
    for (byte, mask) in rest.iter_mut().zip(mask.iter().cycle()) {
        *byte ^= mask;
    }
    mask.rotate_left(rest.len() % 4);
}
