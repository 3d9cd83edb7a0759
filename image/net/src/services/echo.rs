//! Echo (RFC 862) on TCP and UDP port 7: sends back what it receives.
//!
//! A datagram from a port below 1024 is dropped: the peer may be such a service too (echo, chargen, daytime, quote of
//! the day), and the two would answer each other for ever (CERT CA-1996-01).

use alloc::rc::Rc;
use alloc::vec::Vec;

use switchboard_runtime::mark::mark;

use crate::marks::{TCP_ECHO, UDP_ECHO};
use crate::service::Service;
use crate::stack::{Stack, TcpStream, UdpSocket};
use switchboard_runtime::tasks::TaskGroup;

const PORT: u16 = 7;

const SERVICE: Service =
    Service { port: PORT, receive_bytes: 4096, transmit_bytes: 4096, backlog: 2, max_connections: 64 };

/// The first port that no system service of a peer has (RFC 6335, 6).
const FIRST_USER_PORT: u16 = 1024;

/// UDP datagrams that are buffered in each direction, and bytes for all of them: the longest one fits, which arrives in fragments.
const DATAGRAMS: usize = 16;
const DATAGRAM_BYTES: usize = 64 * 1024;

/// Starts the service on a stack.
pub(super) fn start(group: &Rc<TaskGroup>, stack: &Stack) {
    SERVICE.start(group, stack, echo);
    group.add(echo_datagrams(stack.clone()));
}

async fn echo(socket: &Rc<TcpStream>) {
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

async fn echo_datagrams(stack: Stack) {
    let socket = match UdpSocket::bind(&stack, PORT, DATAGRAMS, DATAGRAM_BYTES) {
        Ok(socket) => socket,
        Err(error) => return log::error!("udp echo: {error}"),
    };
    let mut datagram = Vec::new();
    if datagram.try_reserve_exact(DATAGRAM_BYTES).is_err() {
        return log::error!("udp echo: no memory");
    }
    datagram.resize(DATAGRAM_BYTES, 0);
    loop {
        // A datagram whose sender cannot be reached is dropped, as UDP may.
        if let Ok((length, from)) = socket.receive(&mut datagram).await
            && from.port() >= FIRST_USER_PORT
        {
            let _ = socket.send(&datagram[..length], from).await;
            mark::<UDP_ECHO>();
        }
    }
}
