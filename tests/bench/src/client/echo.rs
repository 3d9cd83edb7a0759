//! Round trips of 64 bytes, one at a time, to the echo services.

use std::io::{self, Read, Write};
use std::net::UdpSocket;
use std::time::Instant;

use super::{Meter, PATIENCE, Sample, connect, wrong};

const SIZE: usize = 64;

/// The content of one message: a number, and bytes that depend on it.
fn message(number: u32) -> [u8; SIZE] {
    let mut message = [number.to_le_bytes()[0] ^ 0x5a; SIZE];
    message[..4].copy_from_slice(&number.to_le_bytes());
    message
}

fn trips(seconds: f64, mut trip: impl FnMut(&[u8; SIZE]) -> io::Result<[u8; SIZE]>) -> io::Result<Sample> {
    let mut meter = Meter::new(seconds);
    for number in 0.. {
        let (sent, begin) = (message(number), Instant::now());
        if trip(&sent)? != sent {
            return Err(wrong(format!("message {number} came back changed")));
        }
        let now = Instant::now();
        if meter.done(begin, now) {
            return Ok(meter.sample(now));
        }
    }
    Err(wrong("the numbers ran out"))
}

/// Over TCP.
///
/// # Errors
/// Returns an error when bytes come back changed, or do not.
pub fn tcp(port: u16, seconds: f64) -> io::Result<Sample> {
    let mut stream = connect(port)?;
    trips(seconds, |sent| {
        stream.write_all(sent)?;
        let mut back = [0; SIZE];
        stream.read_exact(&mut back)?;
        Ok(back)
    })
}

/// Over UDP. On this host nothing is lost on the way, so a packet that does not come back is an error.
///
/// # Errors
/// Returns an error when a packet comes back changed, or does not.
pub fn udp(port: u16, seconds: f64) -> io::Result<Sample> {
    let socket = UdpSocket::bind(("127.0.0.1", 0))?;
    socket.connect(("127.0.0.1", port))?;
    socket.set_read_timeout(Some(PATIENCE))?;
    trips(seconds, |sent| {
        socket.send(sent)?;
        let mut back = [0; SIZE];
        let length = socket.recv(&mut back)?;
        if length == SIZE { Ok(back) } else { Err(wrong(format!("{length} bytes of {SIZE} came back"))) }
    })
}
