//! The clients against servers that do what they should, and servers that lie once: a benchmark that believes a wrong
//! answer measures nothing.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::thread;

use switchboard_bench::client::{bulk, echo, frames, http};

/// Seconds of a measurement, after the warm-up.
const SECONDS: f64 = 0.05;
/// The answer that is wrong, if any is.
const LIE: usize = 100;

/// What is answered to what came, given how many answers there were before.
type Answer = fn(&[u8], usize) -> Vec<u8>;
/// The same, of datagrams.
type Answers = fn(&[u8], usize) -> Vec<Vec<u8>>;

/// Serves each connection by `serve`, which is told which bytes came and answers by some; the answer's number is counted on
/// each connection.
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

/// Answers each datagram by some. With a port to answer to, else to where it came from.
fn udp(serve: impl Fn(&[u8], usize) -> Vec<Vec<u8>> + Send + 'static) -> (u16, u16) {
    let (socket, spare) = (UdpSocket::bind("127.0.0.1:0").expect("a port"), UdpSocket::bind("127.0.0.1:0"));
    let port = |socket: &UdpSocket| socket.local_addr().expect("an address").port();
    let (ours, theirs) = (port(&socket), port(&spare.expect("a port")));
    thread::spawn(move || {
        let mut buffer = [0; 2048];
        for number in 0.. {
            let Ok((length, from)) = socket.recv_from(&mut buffer) else { return };
            for answer in serve(&buffer[..length], number) {
                socket.send_to(&answer, from).expect("it is sent");
            }
        }
    });
    (ours, theirs)
}

fn flipped(data: &[u8], place: usize) -> Vec<u8> {
    let mut data = data.to_vec();
    data[place] ^= 1;
    data
}

#[test]
fn an_http_answer_is_read_to_its_end() {
    const RIGHT: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\nHello, world!";
    for connections in [1, 4] {
        let sample = http::run(tcp(|_, _| RIGHT.to_vec()), connections, SECONDS).expect("right answers");
        assert!(sample.rate > 100.0 && sample.p50 > 0.0 && sample.p99 >= sample.p50, "{sample:?}");
    }
    let lies: [Answer; 4] = [
        |_, number| if number == LIE { flipped(RIGHT, RIGHT.len() - 1) } else { RIGHT.to_vec() },
        |_, number| if number == LIE { flipped(RIGHT, 9) } else { RIGHT.to_vec() },
        |_, number| if number == LIE { [RIGHT, b"!"].concat() } else { RIGHT.to_vec() },
        |_, number| if number == LIE { Vec::new() } else { RIGHT.to_vec() },
    ];
    for (index, lie) in lies.into_iter().enumerate() {
        // The last one does not answer at all, and is given up after a while.
        let outcome = http::run(tcp(lie), 2, 2.0);
        assert!(outcome.is_err(), "lie {index}: {outcome:?}");
    }
}

#[test]
fn an_echo_comes_back_as_it_was() {
    assert!(echo::tcp(tcp(|data, _| data.to_vec()), SECONDS).is_ok());
    let lie = tcp(|data, number| if number == LIE { flipped(data, 63) } else { data.to_vec() });
    assert!(echo::tcp(lie, 2.0).is_err());
    assert!(echo::udp(udp(|data, _| vec![data.to_vec()]).0, SECONDS).is_ok());
    let lies: [Answers; 3] = [
        |data, number| vec![if number == LIE { flipped(data, 0) } else { data.to_vec() }],
        |data, number| vec![if number == LIE { data[1..].to_vec() } else { data.to_vec() }],
        // Twice: the second one is taken for the next.
        |data, number| if number == LIE { vec![data.to_vec(); 2] } else { vec![data.to_vec()] },
    ];
    for (index, lie) in lies.into_iter().enumerate() {
        assert!(echo::udp(udp(lie).0, 2.0).is_err(), "lie {index}");
    }
}

/// A frame as it is sent back: with its addresses swapped.
fn swapped(frame: &[u8]) -> Vec<u8> {
    [&frame[6..12], &frame[..6], &frame[12..]].concat()
}

#[test]
fn a_frame_comes_back_once_in_order_and_unchanged() {
    let run = |(remote, local), window, seconds| frames::run(local, remote, 64, window, seconds);
    for window in [1, 64] {
        assert!(run(udp(|frame, _| vec![swapped(frame)]), window, SECONDS).is_ok());
    }
    // What is no frame of the client's is passed over.
    let chatter = |frame: &[u8], number: usize| {
        let mut own = swapped(frame);
        own[12..14].copy_from_slice(&[0x86, 0xdd]);
        if number == LIE { vec![own, swapped(frame)] } else { vec![swapped(frame)] }
    };
    assert!(run(udp(chatter), 4, SECONDS).is_ok());
    let lies: [Answers; 4] = [
        |frame, number| vec![if number == LIE { flipped(&swapped(frame), 40) } else { swapped(frame) }],
        |frame, number| vec![if number == LIE { frame.to_vec() } else { swapped(frame) }],
        |frame, number| vec![swapped(frame); if number == LIE { 2 } else { 1 }],
        |frame, number| vec![swapped(frame); usize::from(number != LIE)],
    ];
    for (index, lie) in lies.into_iter().enumerate() {
        assert!(run(udp(lie), 4, 2.0).is_err(), "lie {index}");
    }
}

/// Sends what `part` gives, for as long as somebody reads.
fn source(part: impl Fn(usize) -> Vec<u8> + Copy + Send + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        let mut number = 0;
        while stream.write_all(&part(number)).is_ok() {
            number += 1;
        }
    });
    port
}

#[test]
fn a_stream_has_the_pattern_that_is_known() {
    /// A line of the pattern (RFC 864).
    fn line(number: usize) -> Vec<u8> {
        let characters = (b' '..=b'~').cycle().skip(number % 95).take(72);
        characters.chain(*b"\r\n").collect()
    }
    assert!(bulk::from_guest(source(line), SECONDS).is_ok());
    let lies: [fn(usize) -> Vec<u8>; 2] = [
        |number| if number == LIE { flipped(&line(number), 30) } else { line(number) },
        |number| line(if number < LIE { number } else { number + 1 }),
    ];
    for (index, lie) in lies.into_iter().enumerate() {
        assert!(bulk::from_guest(source(lie), 2.0).is_err(), "lie {index}");
    }
}
