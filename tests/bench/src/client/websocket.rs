//! Messages of 64 bytes to a WebSocket that sends each back (RFC 6455), one at a time.

use std::io::{self, Read, Write};

use super::{Sample, Span, connect, echo, wrong};

/// The key of the RFC's example, and its accept value.
const REQUEST: &[u8] = b"GET /socket HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
/// The header of a final frame with binary data.
const BINARY: u8 = 0x82;
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// Measures round trips.
///
/// # Errors
/// Returns an error when the upgrade is refused, or a message is returned changed, or not at all.
pub fn run(port: u16, span: impl Into<Span>) -> io::Result<Sample> {
    let mut stream = connect(port)?;
    stream.write_all(REQUEST)?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        head.extend(byte);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    if !head.starts_with("HTTP/1.1 101 ") || !head.contains(ACCEPT) {
        return Err(wrong(format!("no WebSocket: {head:?}")));
    }
    echo::round_trips(span, |sent| {
        let mut frame = [0; 6 + echo::SIZE];
        frame[..2].copy_from_slice(&[BINARY, 0x80 | echo::SIZE.to_le_bytes()[0]]);
        frame[2..6].copy_from_slice(&MASK);
        for (to, (byte, mask)) in frame[6..].iter_mut().zip(sent.iter().zip(MASK.iter().cycle())) {
            *to = byte ^ mask;
        }
        stream.write_all(&frame)?;
        let mut header = [0; 2];
        stream.read_exact(&mut header)?;
        if header != [BINARY, echo::SIZE.to_le_bytes()[0]] {
            return Err(wrong(format!("a wrong frame: {header:?}")));
        }
        let mut back = [0; echo::SIZE];
        stream.read_exact(&mut back)?;
        Ok(back)
    })
}
