//! Bulk transfer through one connection in one direction.

use core::net::SocketAddr;
use std::io::{self, Read, Write};
use std::time::Instant;

use super::{Meter, Sample, Span, connect_to, wrong};

const BUFFER: usize = 256 * 1024;
const LINES: usize = 95;
const WIDTH: usize = 72;

/// Sends to the guest's discard service as fast as possible.
///
/// # Errors
/// Returns an error when the connection fails.
pub fn to_guest(address: SocketAddr, span: impl Into<Span>) -> io::Result<Sample> {
    let mut stream = connect_to(address)?;
    let data = vec![0x5a; BUFFER];
    megabytes(span, || stream.write(&data))
}

/// Receives from the guest's chargen service, and checks the pattern.
///
/// # Errors
/// Returns an error when a byte is wrong, or the connection fails.
pub fn from_guest(address: SocketAddr, span: impl Into<Span>) -> io::Result<Sample> {
    let mut stream = connect_to(address)?;
    let round = pattern();
    let pattern = round.repeat(2 + BUFFER / round.len());
    let (mut buffer, mut at) = (vec![0; BUFFER], 0);
    megabytes(span, || {
        let length = stream.read(&mut buffer)?;
        if buffer[..length] != pattern[at..at + length] {
            return Err(wrong("the pattern is broken"));
        }
        at = (at + length) % round.len();
        Ok(length)
    })
}

/// Returns one round of the pattern (RFC 864): 95 lines, each starting one character later.
fn pattern() -> Vec<u8> {
    let characters: Vec<u8> = (b' '..=b'~').collect();
    let line = |first: usize| characters.iter().cycle().skip(first).take(WIDTH).chain(b"\r\n").copied();
    (0..LINES).flat_map(line).collect()
}

fn megabytes(span: impl Into<Span>, mut go: impl FnMut() -> io::Result<usize>) -> io::Result<Sample> {
    let mut meter = Meter::new(span);
    loop {
        let length = go()?;
        if length == 0 {
            return Err(wrong("the guest closed the connection"));
        }
        let now = Instant::now();
        if meter.moved(length as u64, now) {
            return Ok(meter.sample(now).scaled(1e-6));
        }
    }
}
