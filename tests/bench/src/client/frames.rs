//! Raw Ethernet frames, over the datagrams that QEMU's `-netdev dgram` puts them into.

use core::time::Duration;
use std::io;
use std::net::UdpSocket;
use std::time::Instant;

use super::{Meter, PATIENCE, Sample, wrong};

/// The guest's address, and ours.
const THEIRS: [u8; 6] = [0x52, 0x54, 0, 0x12, 0x34, 0x56];
const OURS: [u8; 6] = [2, 0, 0, 0, 0, 1];
/// An EtherType for local experiments (IEEE 802).
const EXPERIMENT: [u8; 2] = [0x88, 0xb5];
const HEADER: usize = 14;
const LARGEST: usize = 1514;

/// Writes frame `number`: addresses, number, and bytes that depend on it.
fn write(frame: &mut [u8], to: [u8; 6], from: [u8; 6], number: u32) {
    frame[..6].copy_from_slice(&to);
    frame[6..12].copy_from_slice(&from);
    frame[12..HEADER].copy_from_slice(&EXPERIMENT);
    frame[HEADER..HEADER + 4].copy_from_slice(&number.to_le_bytes());
    frame[HEADER + 4..].fill(number.to_le_bytes()[0] ^ 0x5a);
}

/// Keeps `window` frames of `size` bytes under way between our `local` port and QEMU's `remote` one. They come back in
/// order, each once, unchanged but for the addresses, which are swapped.
///
/// # Errors
/// Returns an error when a frame is lost, comes twice, or comes back changed.
pub fn run(local: u16, remote: u16, size: usize, window: usize, seconds: f64) -> io::Result<Sample> {
    let socket = UdpSocket::bind(("127.0.0.1", local))?;
    socket.connect(("127.0.0.1", remote))?;
    socket.set_read_timeout(Some(PATIENCE))?;
    let (mut sent, mut expected, mut back) = ([0; LARGEST], [0; LARGEST], [0; LARGEST + 1]);
    let mut begins = vec![Instant::now(); window];
    let (mut next, mut first) = (0_u32, 0_u32);
    let place = |number: u32| number as usize % window;
    // What an earlier client has left under way.
    socket.set_read_timeout(Some(Duration::from_millis(20)))?;
    while socket.recv(&mut back).is_ok() {}
    socket.set_read_timeout(Some(PATIENCE))?;
    let mut meter = Meter::new(seconds);
    loop {
        while ((next - first) as usize) < window {
            begins[place(next)] = Instant::now();
            write(&mut sent[..size], THEIRS, OURS, next);
            socket.send(&sent[..size])?;
            next += 1;
        }
        let length = match socket.recv(&mut back) {
            Ok(length) => length,
            Err(error) => return Err(wrong(format!("frame {first} of {next} did not come back: {error}"))),
        };
        if length >= HEADER && back[12..HEADER] != EXPERIMENT {
            // The guest's own, such as Linux's word about its neighbours.
            continue;
        }
        write(&mut expected[..size], OURS, THEIRS, first);
        if back[..length] != expected[..size] {
            return Err(wrong(format!("frame {first} came back changed, out of order, or twice")));
        }
        let (begin, now) = (begins[place(first)], Instant::now());
        first += 1;
        if meter.done(begin, now) {
            // The rest, so that the next client finds nothing under way.
            for _ in first..next {
                socket.recv(&mut back)?;
            }
            return Ok(meter.sample(now));
        }
    }
}
