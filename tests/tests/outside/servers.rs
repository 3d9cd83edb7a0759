//! The servers of the link, and sockets with a time limit.

use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream, UdpSocket};

use rustix::net::sockopt;

use crate::TIMEOUT;

pub(crate) fn bind(kind: IpAddr) -> UdpSocket {
    let local = if kind.is_ipv4() { IpAddr::from([0; 4]) } else { IpAddr::from([0; 16]) };
    let socket = UdpSocket::bind((local, 0)).expect("a socket");
    socket.set_read_timeout(Some(TIMEOUT)).expect("a time limit");
    socket
}

pub(crate) fn receive(socket: &UdpSocket) -> (Vec<u8>, SocketAddr) {
    let mut buffer = [0; 1500];
    let (length, from) = socket.recv_from(&mut buffer).expect("an answer");
    (buffer[..length].to_vec(), from)
}

pub(crate) fn answer_datagrams(socket: &UdpSocket) {
    let mut buffer = [0; 1500];
    while let Ok((length, from)) = socket.recv_from(&mut buffer) {
        socket.send_to(&buffer[..length].to_ascii_uppercase(), from).ok();
    }
}

pub(crate) fn greet(mut stream: TcpStream) {
    let kind = match stream.peer_addr().map(|peer| peer.ip().to_canonical()) {
        Ok(IpAddr::V4(_)) => "IPv4",
        Ok(IpAddr::V6(_)) => "IPv6",
        Err(_) => return,
    };
    writeln!(stream, "welcome by {kind}").ok();
    // Closed with the greeting of the peer unread, Linux would reset the connection, and the line could be lost.
    stream.shutdown(Shutdown::Write).ok();
    io::copy(&mut stream, &mut io::sink()).ok();
}

/// Reads the greeting, and resets the connection.
pub(crate) fn reset(mut stream: TcpStream) {
    stream.read_exact(&mut [0; 6]).ok();
    sockopt::set_socket_linger(&stream, Some(Duration::ZERO)).ok();
}

/// Reads the greeting, and sends a thousand bytes.
pub(crate) fn count(mut stream: TcpStream) {
    stream.read_exact(&mut [0; 6]).ok();
    stream.write_all(&[b'x'; 1000]).ok();
}
