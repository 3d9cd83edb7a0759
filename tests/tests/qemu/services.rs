//! The simple services: echo, discard and character generator.

use core::net::Ipv4Addr;
use core::time::Duration;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream, UdpSocket};

use switchboard_tests::{Guest, Machine, Nic, Protocol, Qemu};

const TIMEOUT: Duration = Duration::from_secs(20);

fn boot() -> Guest {
    let guest = Qemu::new(Machine::Q35)
        .nic(Nic::Virtio)
        .option("services=all")
        .forward(Protocol::Tcp, 7)
        .forward(Protocol::Udp, 7)
        .forward(Protocol::Tcp, 9)
        .forward(Protocol::Tcp, 19)
        .start();
    drop(guest.client());
    guest
}

fn connect(guest: &Guest, port: u16) -> TcpStream {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, guest.port(0, Protocol::Tcp, port))).expect("a connection");
    stream.set_read_timeout(Some(TIMEOUT)).expect("a time limit");
    stream.set_write_timeout(Some(TIMEOUT)).expect("a time limit");
    stream
}

/// Returns bytes that differ from offset to offset.
fn pattern(length: u32) -> Vec<u8> {
    (0..length).flat_map(|index| index.wrapping_mul(0x9e37_79b9).to_be_bytes()).collect()
}

#[test]
fn tcp_echo_returns_the_same_bytes() {
    let guest = boot();
    let mut stream = connect(&guest, 7);
    let sent = pattern(64 * 1024);
    let mut sender = stream.try_clone().expect("a second handle");
    let bytes = sent.clone();
    let writer = std::thread::spawn(move || {
        sender.write_all(&bytes).expect("the bytes are taken");
        sender.shutdown(Shutdown::Write).expect("our side ends");
    });
    let mut received = Vec::new();
    stream.read_to_end(&mut received).expect("the bytes come back, then the end");
    writer.join().expect("the writer");
    assert!(received == sent, "{} of {} bytes came back, or others", received.len(), sent.len());
}

#[test]
fn udp_echo_returns_each_datagram() {
    let guest = boot();
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
    socket.connect((Ipv4Addr::LOCALHOST, guest.port(0, Protocol::Udp, 7))).expect("a peer");
    socket.set_read_timeout(Some(TIMEOUT)).expect("a time limit");
    let mut buffer = [0; 2048];
    for length in [1, 17, 100, 360] {
        let sent = pattern(length);
        socket.send(&sent).expect("a datagram is sent");
        let received = socket.recv(&mut buffer).expect("it comes back");
        assert!(buffer[..received] == sent, "a datagram of {} bytes came back as {received}, or others", sent.len());
    }
}

#[test]
fn discard_reads_everything_and_sends_nothing() {
    let guest = boot();
    let mut stream = connect(&guest, 9);
    stream.write_all(&pattern(256 * 1024)).expect("a mebibyte is taken");
    stream.shutdown(Shutdown::Write).expect("our side ends");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("the other side ends too");
    assert!(answer.is_empty(), "{} bytes came back", answer.len());
}

#[test]
fn chargen_sends_the_pattern_until_the_peer_closes() {
    let guest = boot();
    let mut stream = connect(&guest, 19);
    let mut text = vec![0; 74 * 1000];
    stream.read_exact(&mut text).expect("a thousand lines");
    // RFC 864: 72 of the 95 printable characters, each line starting one character later.
    let printable = (b' '..=b'~').cycle();
    for (number, line) in text.chunks(74).enumerate() {
        let expected = printable.clone().skip(number % 95).take(72).chain(*b"\r\n");
        assert!(line.iter().copied().eq(expected), "line {number} is {}", line.escape_ascii());
    }
}
