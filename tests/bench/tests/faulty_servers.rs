//! Tests of the clients against correct servers, and against servers with one malformed response, which the clients
//! must report as an error.

use core::net::SocketAddr;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::thread;

use switchboard_bench::client::{bulk, echo, frames, http};

/// Seconds of a measurement, after the warm-up.
const SECONDS: f64 = 0.05;
/// Index of the malformed response.
const FAULTY: usize = 100;

/// Returns the response to the received bytes, given the number of responses before.
type Answer = fn(&[u8], usize) -> Vec<u8>;
/// Returns the datagrams to send for a received one, given the number received before.
type Answers = fn(&[u8], usize) -> Vec<Vec<u8>>;

/// Starts a TCP server; `serve` returns the response to the received bytes, given the number of responses before on
/// that connection.
fn tcp(serve: impl Fn(&[u8], usize) -> Vec<u8> + Copy + Send + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream: TcpStream = stream.expect("a connection");
            thread::spawn(move || {
                let mut buffer = [0; 4096];
                for number in 0.. {
                    let Ok(length @ 1..) = stream.read(&mut buffer) else { return };
                    if stream.write_all(&serve(&buffer[..length], number)).is_err() {
                        return;
                    }
                }
            });
        }
    });
    port
}

/// Starts a UDP server; `serve` returns the datagrams to send back. Returns its port, and an unused one.
fn udp(serve: impl Fn(&[u8], usize) -> Vec<Vec<u8>> + Send + 'static) -> (u16, u16) {
    let (socket, unused) = (UdpSocket::bind("127.0.0.1:0").expect("a port"), UdpSocket::bind("127.0.0.1:0"));
    let port = |socket: &UdpSocket| socket.local_addr().expect("an address").port();
    let (port_number, unused_port) = (port(&socket), port(&unused.expect("a port")));
    thread::spawn(move || {
        let mut buffer = [0; 2048];
        for number in 0.. {
            let Ok((length, from)) = socket.recv_from(&mut buffer) else { return };
            for answer in serve(&buffer[..length], number) {
                socket.send_to(&answer, from).expect("it is sent");
            }
        }
    });
    (port_number, unused_port)
}

fn with_bit_flipped(data: &[u8], offset: usize) -> Vec<u8> {
    let mut data = data.to_vec();
    data[offset] ^= 1;
    data
}

#[test]
fn http_responses_are_checked_to_their_end() {
    const VALID: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\nHello, world!";
    for connections in [1, 4] {
        let sample = http::run(tcp(|_, _| VALID.to_vec()), connections, SECONDS).expect("valid responses");
        assert!(sample.rate > 100.0 && sample.p50 > 0.0 && sample.p99 >= sample.p50, "{sample:?}");
    }
    let faulty_servers: [Answer; 4] = [
        |_, number| if number == FAULTY { with_bit_flipped(VALID, VALID.len() - 1) } else { VALID.to_vec() },
        |_, number| if number == FAULTY { with_bit_flipped(VALID, 9) } else { VALID.to_vec() },
        |_, number| if number == FAULTY { [VALID, b"!"].concat() } else { VALID.to_vec() },
        |_, number| if number == FAULTY { Vec::new() } else { VALID.to_vec() },
    ];
    for (index, faulty) in faulty_servers.into_iter().enumerate() {
        // The last one does not respond at all: the client must time out.
        let outcome = http::run(tcp(faulty), 2, 2.0);
        assert!(outcome.is_err(), "fault {index}: {outcome:?}");
    }
}

#[test]
fn echoes_are_checked() {
    assert!(echo::tcp(tcp(|data, _| data.to_vec()), SECONDS).is_ok());
    let faulty = tcp(|data, number| if number == FAULTY { with_bit_flipped(data, 63) } else { data.to_vec() });
    assert!(echo::tcp(faulty, 2.0).is_err());
    assert!(echo::udp(udp(|data, _| vec![data.to_vec()]).0, SECONDS).is_ok());
    let faulty_servers: [Answers; 3] = [
        |data, number| vec![if number == FAULTY { with_bit_flipped(data, 0) } else { data.to_vec() }],
        |data, number| vec![if number == FAULTY { data[1..].to_vec() } else { data.to_vec() }],
        // Sent twice: the client must notice that the second is not the next one.
        |data, number| if number == FAULTY { vec![data.to_vec(); 2] } else { vec![data.to_vec()] },
    ];
    for (index, faulty) in faulty_servers.into_iter().enumerate() {
        assert!(echo::udp(udp(faulty).0, 2.0).is_err(), "fault {index}");
    }
}

/// Returns the frame with its addresses swapped, as a reflector does.
fn swapped(frame: &[u8]) -> Vec<u8> {
    [&frame[6..12], &frame[..6], &frame[12..]].concat()
}

#[test]
fn frames_are_checked_for_order_and_content() {
    let run = |(remote, local), window, seconds| frames::run(local, remote, 64, window, seconds);
    for window in [1, 64] {
        assert!(run(udp(|frame, _| vec![swapped(frame)]), window, SECONDS).is_ok());
    }
    // Other frames than the client's are ignored.
    let chatter = |frame: &[u8], number: usize| {
        let mut own = swapped(frame);
        own[12..14].copy_from_slice(&[0x86, 0xdd]);
        if number == FAULTY { vec![own, swapped(frame)] } else { vec![swapped(frame)] }
    };
    assert!(run(udp(chatter), 4, SECONDS).is_ok());
    let faulty_servers: [Answers; 4] = [
        |frame, number| vec![if number == FAULTY { with_bit_flipped(&swapped(frame), 40) } else { swapped(frame) }],
        |frame, number| vec![if number == FAULTY { frame.to_vec() } else { swapped(frame) }],
        |frame, number| vec![swapped(frame); if number == FAULTY { 2 } else { 1 }],
        |frame, number| vec![swapped(frame); usize::from(number != FAULTY)],
    ];
    for (index, faulty) in faulty_servers.into_iter().enumerate() {
        assert!(run(udp(faulty), 4, 2.0).is_err(), "fault {index}");
    }
}

/// Starts a TCP server that sends `part(0)`, `part(1)`, .. until the client closes.
fn source(part: impl Fn(usize) -> Vec<u8> + Copy + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        let mut number = 0;
        while stream.write_all(&part(number)).is_ok() {
            number += 1;
        }
    });
    address
}

#[test]
fn the_pattern_of_a_stream_is_checked() {
    /// Returns a line of the pattern (RFC 864).
    fn line(number: usize) -> Vec<u8> {
        let characters = (b' '..=b'~').cycle().skip(number % 95).take(72);
        characters.chain(*b"\r\n").collect()
    }
    assert!(bulk::from_guest(source(line), SECONDS).is_ok());
    let faulty_servers: [fn(usize) -> Vec<u8>; 2] = [
        |number| if number == FAULTY { with_bit_flipped(&line(number), 30) } else { line(number) },
        |number| line(if number < FAULTY { number } else { number + 1 }),
    ];
    for (index, faulty) in faulty_servers.into_iter().enumerate() {
        assert!(bulk::from_guest(source(faulty), 2.0).is_err(), "fault {index}");
    }
}
