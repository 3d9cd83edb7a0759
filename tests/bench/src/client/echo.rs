//! Round round_trips of 64 bytes to the echo services, one at a time.

use std::io::{self, Read, Write};
use std::net::UdpSocket;
use std::time::Instant;

use super::{Meter, Sample, Span, TIMEOUT, connect, wrong};

pub(super) const SIZE: usize = 64;

/// Returns the content of a message: a number, and bytes that depend on it.
fn message(number: u32) -> [u8; SIZE] {
    let mut message = [number.to_le_bytes()[0] ^ 0x5a; SIZE];
    message[..4].copy_from_slice(&number.to_le_bytes());
    message
}

pub(super) fn round_trips(
    span: impl Into<Span>,
    mut round_trip: impl FnMut(&[u8; SIZE]) -> io::Result<[u8; SIZE]>,
) -> io::Result<Sample> {
    let mut meter = Meter::new(span);
    for number in 0.. {
        let (sent, begin) = (message(number), Instant::now());
        if round_trip(&sent)? != sent {
            return Err(wrong(format!("message {number} was returned changed")));
        }
        let now = Instant::now();
        if meter.done(begin, now) {
            return Ok(meter.sample(now));
        }
    }
    Err(wrong("no more message numbers"))
}

/// Measures round round_trips over TCP.
///
/// # Errors
/// Returns an error when bytes are returned changed, or not at all.
pub fn tcp(port: u16, span: impl Into<Span>) -> io::Result<Sample> {
    let mut stream = connect(port)?;
    round_trips(span, |sent| {
        stream.write_all(sent)?;
        let mut back = [0; SIZE];
        stream.read_exact(&mut back)?;
        Ok(back)
    })
}

/// Measures round round_trips over UDP. The network is local to the host and lossless, so a missing packet is an error.
///
/// # Errors
/// Returns an error when a packet is returned changed, or not at all.
pub fn udp(port: u16, span: impl Into<Span>) -> io::Result<Sample> {
    let socket = UdpSocket::bind(("127.0.0.1", 0))?;
    socket.connect(("127.0.0.1", port))?;
    socket.set_read_timeout(Some(TIMEOUT))?;
    round_trips(span, |sent| {
        socket.send(sent)?;
        let mut back = [0; SIZE];
        let length = socket.recv(&mut back)?;
        if length == SIZE { Ok(back) } else { Err(wrong(format!("{length} bytes of {SIZE} were returned"))) }
    })
}
