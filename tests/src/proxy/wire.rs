//! The messages of multi-process QEMU, as QEMU 7.2 sends them (its `include/hw/remote/mpqemu-link.h`).
//!
//! A header of 16 bytes (command, four unused bytes, length of the body), in host byte order. Some messages carry file
//! descriptors, for guest memory and for interrupts; they are not received, and the kernel closes them. The guest's
//! memory is already known as a file, and interrupts are not supported.

use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;

/// Length in bytes of the longest message: eight memory regions of 24 bytes.
const MAX_BODY: usize = 192;

/// A request of QEMU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Request {
    /// A read of configuration space.
    ConfigRead { offset: usize, width: usize },
    /// A write to configuration space.
    ConfigWrite { offset: usize, width: usize, value: u32 },
    /// A read at an address that a BAR of the function decodes.
    BarRead { address: u64, width: usize, is_memory: bool },
    /// A write to such an address.
    BarWrite { address: u64, width: usize, value: u64, is_memory: bool },
    /// A reset of the machine. The first one marks the end of QEMU's own sizing.
    Reset,
}

/// Receives the next message that needs a reply; `None` once QEMU has exited.
pub(super) fn receive(stream: &mut UnixStream) -> io::Result<Option<Request>> {
    loop {
        let mut header = [0; 16];
        match stream.read_exact(&mut header) {
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(None),
            other => other?,
        }
        let length = usize::try_from(number(&header, 8, 8)).unwrap_or(usize::MAX);
        let mut body = [0; MAX_BODY];
        let body = body.get_mut(..length).ok_or(ErrorKind::InvalidData)?;
        stream.read_exact(body)?;
        if let Some(request) = parse(number(&header, 0, 4), body)? {
            return Ok(Some(request));
        }
    }
}

/// Replies to the last request; the value matters for reads only.
pub(super) fn answer(stream: &mut UnixStream, value: u64) -> io::Result<()> {
    const RETURN: u32 = 1;
    let mut message = [0; 24];
    message[..4].copy_from_slice(&RETURN.to_le_bytes());
    message[8..16].copy_from_slice(&8_u64.to_le_bytes());
    message[16..].copy_from_slice(&value.to_le_bytes());
    stream.write_all(&message)
}

/// Parses a request; `None` for messages without a reply (memory regions, interrupts).
fn parse(command: u64, body: &[u8]) -> io::Result<Option<Request>> {
    let enough = |length: usize| if body.len() < length { Err(ErrorKind::InvalidData) } else { Ok(()) };
    let width =
        |width: u64| [1, 2, 4, 8].into_iter().find(|&known| known as u64 == width).ok_or(ErrorKind::InvalidData);
    match command {
        2 | 3 => {
            enough(12)?;
            let offset = usize::try_from(number(body, 0, 4)).map_err(|_| ErrorKind::InvalidData)?;
            let width = width(number(body, 8, 4))?;
            let value = u32::from_le_bytes([body[4], body[5], body[6], body[7]]);
            Ok(Some(if command == 2 {
                Request::ConfigWrite { offset, width, value }
            } else {
                Request::ConfigRead { offset, width }
            }))
        }
        4 | 5 => {
            enough(21)?;
            let (address, value) = (number(body, 0, 8), number(body, 8, 8));
            let (width, is_memory) = (width(number(body, 16, 4))?, body[20] != 0);
            Ok(Some(if command == 4 {
                Request::BarWrite { address, width, value, is_memory }
            } else {
                Request::BarRead { address, width, is_memory }
            }))
        }
        7 => Ok(Some(Request::Reset)),
        0 | 6 => Ok(None),
        _ => Err(ErrorKind::InvalidData.into()),
    }
}

fn number(bytes: &[u8], offset: usize, width: usize) -> u64 {
    let mut value = [0; 8];
    value[..width].copy_from_slice(&bytes[offset..offset + width]);
    u64::from_le_bytes(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(command: u32, body: &[u8]) -> Vec<u8> {
        let mut message = vec![0; 16];
        message[..4].copy_from_slice(&command.to_le_bytes());
        message[8..16].copy_from_slice(&(body.len() as u64).to_le_bytes());
        message.extend_from_slice(body);
        message
    }

    #[test]
    fn requests_are_parsed_and_other_messages_skipped() {
        let (mut local, mut remote) = UnixStream::pair().expect("two ends");
        remote.write_all(&message(0, &[0; 192])).expect("memory regions");
        remote.write_all(&message(6, &[])).expect("an interrupt");
        remote.write_all(&message(3, &[0x3c, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0])).expect("a read");
        let mut bar = [0; 24];
        bar[..4].copy_from_slice(&0xfebd_1010_u32.to_le_bytes());
        bar[8] = 7;
        bar[16] = 4;
        bar[20] = 1;
        remote.write_all(&message(4, &bar)).expect("a write");
        remote.write_all(&message(7, &[])).expect("a reset");
        drop(remote);
        let mut next = || receive(&mut local).expect("a request");
        assert_eq!(next(), Some(Request::ConfigRead { offset: 0x3c, width: 2 }));
        assert_eq!(next(), Some(Request::BarWrite { address: 0xfebd_1010, width: 4, value: 7, is_memory: true }));
        assert_eq!(next(), Some(Request::Reset));
        assert_eq!(next(), None);
    }

    #[test]
    fn malformed_messages_are_errors() {
        for bad in [message(99, &[]), message(3, &[0; 4]), message(3, &[9; 12]), message(0, &[0; 193])] {
            let (mut local, mut remote) = UnixStream::pair().expect("two ends");
            remote.write_all(&bad).expect("a message");
            assert!(receive(&mut local).is_err(), "{bad:?}");
        }
    }
}
