//! Echo (RFC 862): what comes goes back. TCP and UDP, port 7.

use alloc::rc::Rc;

use switchboard_runtime::mark::mark;

use super::marks::{TCP_ECHO, UDP_ECHO};
use super::service::Service;
use super::{Stack, TcpSocket, UdpSocket};
use switchboard_runtime::tasks::TaskGroup;

const PORT: u16 = 7;
/// TCP connections at once.
const MOST: usize = 64;
/// Connections that may arrive together.
const WAITING: usize = 2;
/// Bytes buffered on a TCP connection, of what comes and of what goes.
const BUFFERS: (usize, usize) = (4096, 4096);
/// UDP packets that may wait for their turn, and bytes for all of them.
const PACKETS: usize = 16;
const PACKET_BYTES: usize = 16 * 1024;

pub(super) fn start(group: &Rc<TaskGroup>, stack: &Stack) {
    let (receive, transmit) = BUFFERS;
    Service { port: PORT, receive, transmit, waiting: WAITING, most: MOST }.start(group, stack, echo);
    group.add(echo_packets(stack.clone()));
}

async fn echo(socket: &Rc<TcpSocket>) {
    let mut buffer = [0; 1024];
    while let Ok(length @ 1..) = socket.read(&mut buffer).await {
        mark::<TCP_ECHO>();
        let mut rest = &buffer[..length];
        while !rest.is_empty() {
            let Ok(written) = socket.write(rest).await else { return };
            rest = &rest[written..];
        }
    }
}

async fn echo_packets(stack: Stack) {
    let socket = match UdpSocket::bind(&stack, PORT, PACKETS, PACKET_BYTES) {
        Ok(socket) => socket,
        Err(error) => return log::error!("udp echo: {error}"),
    };
    let mut packet = [0; 1536];
    loop {
        // A packet that is too long for the buffer, or whose sender cannot be reached, is dropped, as UDP may.
        if let Ok((length, from)) = socket.receive(&mut packet).await {
            let _ = socket.send(&packet[..length], from).await;
            mark::<UDP_ECHO>();
        }
    }
}
