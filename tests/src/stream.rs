//! Byte streams to a guest, for protocols above HTTP: events and WebSockets.

use core::net::SocketAddr;
use core::time::Duration;
use std::io::Read;
use std::net::TcpStream;

/// Connects to an address, with a time limit for the connection and for each read and write.
///
/// # Panics
/// Panics when it is not connected in time.
#[must_use]
pub fn connect(address: SocketAddr, limit: Duration) -> TcpStream {
    let stream = TcpStream::connect_timeout(&address, limit).expect("a connection");
    stream.set_read_timeout(Some(limit)).expect("a time limit");
    stream.set_write_timeout(Some(limit)).expect("a time limit");
    stream
}

/// Reads up to the end of what is awaited, byte by byte, and returns what came.
///
/// # Panics
/// Panics when the stream ends before, or its time limit is over.
pub fn read_until(stream: &mut TcpStream, end: &str) -> String {
    let mut received = Vec::new();
    while !received.ends_with(end.as_bytes()) {
        let mut byte = [0];
        let read = stream.read_exact(&mut byte);
        read.unwrap_or_else(|error| panic!("`{end}` awaited: {error}, after `{}`", received.escape_ascii()));
        received.push(byte[0]);
    }
    String::from_utf8_lossy(&received).into()
}
