//! Raw Ethernet frames, exchanged as UDP datagrams by QEMU's `-netdev dgram`, or over a tap.

use core::time::Duration;
use std::io;
use std::net::UdpSocket;
use std::time::Instant;

use super::packet::{Packets, Wire};
use super::{Meter, Sample, Span, TIMEOUT, wrong};

/// MAC addresses of the guest and of the client.
const GUEST: [u8; 6] = [0x52, 0x54, 0, 0x12, 0x34, 0x56];
const CLIENT: [u8; 6] = [2, 0, 0, 0, 0, 1];
/// EtherType for local experiments (IEEE 802).
const ETHER_TYPE: [u8; 2] = [0x88, 0xb5];
const HEADER: usize = 14;
const MAX_FRAME: usize = 1514;

/// Fills in frame `number`: addresses, number, and bytes that depend on it.
fn write(frame: &mut [u8], to: [u8; 6], from: [u8; 6], number: u32) {
    frame[..6].copy_from_slice(&to);
    frame[6..12].copy_from_slice(&from);
    frame[12..HEADER].copy_from_slice(&ETHER_TYPE);
    frame[HEADER..HEADER + 4].copy_from_slice(&number.to_le_bytes());
    frame[HEADER + 4..].fill(number.to_le_bytes()[0] ^ 0x5a);
}

/// Keeps `window` frames of `size` bytes in flight between the client's `local` port and QEMU's `remote` one. They
/// return in order, each once, unchanged but for the addresses, which are swapped.
///
/// # Errors
/// Returns an error when a frame is lost, duplicated, reordered or changed.
pub fn run(local: u16, remote: u16, size: usize, window: usize, span: impl Into<Span>) -> io::Result<Sample> {
    let socket = UdpSocket::bind(("127.0.0.1", local))?;
    socket.connect(("127.0.0.1", remote))?;
    exchange(&socket, size, window, span)
}

/// The same over a tap.
///
/// # Errors
/// Returns an error when a frame is lost, duplicated, reordered or changed.
pub fn run_on(packets: &Packets, size: usize, window: usize, span: impl Into<Span>) -> io::Result<Sample> {
    exchange(packets, size, window, span)
}

fn exchange(wire: &impl Wire, size: usize, window: usize, span: impl Into<Span>) -> io::Result<Sample> {
    let (mut sent, mut expected, mut back) = ([0; MAX_FRAME], [0; MAX_FRAME], [0; MAX_FRAME + 1]);
    let mut begins = vec![Instant::now(); window];
    let (mut next, mut first) = (0_u32, 0_u32);
    let place = |number: u32| number as usize % window;
    // Drops frames in flight of an earlier client.
    wire.set_timeout(Duration::from_millis(20))?;
    while wire.receive(&mut back).is_ok() {}
    wire.set_timeout(TIMEOUT)?;
    let mut meter = Meter::new(span);
    loop {
        while ((next - first) as usize) < window {
            begins[place(next)] = Instant::now();
            write(&mut sent[..size], GUEST, CLIENT, next);
            wire.send(&sent[..size])?;
            next += 1;
        }
        let length = match wire.receive(&mut back) {
            Ok(length) => length,
            Err(error) => return Err(wrong(format!("frame {first} of {next} did not return: {error}"))),
        };
        if length >= HEADER && back[12..HEADER] != ETHER_TYPE {
            // The guest's own frames, such as Linux's neighbour discovery.
            continue;
        }
        write(&mut expected[..size], CLIENT, GUEST, first);
        if back[..length] != expected[..size] {
            return Err(wrong(format!("frame {first} was returned changed, out of order, or twice")));
        }
        let (begin, now) = (begins[place(first)], Instant::now());
        first += 1;
        if meter.done(begin, now) {
            // Receives the rest, so that none is in flight for the next client.
            for _ in first..next {
                wire.receive(&mut back)?;
            }
            return Ok(meter.sample(now));
        }
    }
}
