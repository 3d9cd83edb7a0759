//! Echo (RFC 862): what comes goes back. TCP and UDP, port 7.

use alloc::vec;

use embassy_net::Stack;
use embassy_net::tcp::TcpSocket;
use embassy_net::udp::{PacketMetadata, UdpSocket};

use switchboard::arch::mark::{TCP_ECHO, UDP_ECHO, mark};

use super::tcp::Service;
use crate::tasks::Crew;

const PORT: u16 = 7;
/// TCP connections at once.
const CONNECTIONS: usize = 4;
/// Sockets that this service takes of a stack.
pub(super) const SOCKETS: usize = CONNECTIONS + 1;
/// Bytes buffered each way on a TCP connection.
const BUFFER: usize = 4096;
/// UDP packets that may wait for their turn, and bytes for all of them.
const PACKETS: usize = 16;
const PACKET_BYTES: usize = 16 * 1024;

pub(super) fn start<'a>(crew: &mut Crew<'a>, stack: Stack<'a>) {
    Service::<CONNECTIONS> { port: PORT, buffer: BUFFER }.start(crew, stack, echo);
    crew.add(echo_packets(stack));
}

/// Copies from the receive buffer straight into the transmit buffer, as much as fits there.
async fn echo(socket: &mut TcpSocket<'_>) {
    let (mut reader, mut writer) = socket.split();
    let mut buffer = [0; 1024];
    while let Ok(length @ 1..) = reader.read(&mut buffer).await {
        mark::<TCP_ECHO>();
        let mut rest = &buffer[..length];
        while !rest.is_empty() {
            let Ok(written) = writer.write(rest).await else { return };
            rest = &rest[written..];
        }
    }
}

async fn echo_packets(stack: Stack<'_>) {
    let (mut receive_meta, mut transmit_meta) = ([PacketMetadata::EMPTY; PACKETS], [PacketMetadata::EMPTY; PACKETS]);
    let (mut receive, mut transmit) = (vec![0; PACKET_BYTES], vec![0; PACKET_BYTES]);
    let mut socket = UdpSocket::new(stack, &mut receive_meta, &mut receive, &mut transmit_meta, &mut transmit);
    if let Err(error) = socket.bind(PORT) {
        log::error!("udp echo: {error:?}");
        return;
    }
    let mut packet = [0; 1536];
    loop {
        // A packet that is too long for the buffer, or whose sender cannot be reached, is dropped, as UDP may.
        if let Ok((length, from)) = socket.recv_from(&mut packet).await {
            let _ = socket.send_to(&packet[..length], from).await;
            mark::<UDP_ECHO>();
        }
    }
}
