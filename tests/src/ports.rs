//! Host ports that are forwarded into the guest.

use core::net::Ipv4Addr;
use std::net::{TcpListener, UdpSocket};

/// Protocol of a forwarded port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

/// Returns a port that is unused now, chosen by the kernel.
///
/// # Panics
/// Panics when the loopback address has none.
#[must_use]
pub fn free_port(protocol: Protocol) -> u16 {
    let any = (Ipv4Addr::LOCALHOST, 0);
    let address = match protocol {
        Protocol::Tcp => TcpListener::bind(any).and_then(|socket| socket.local_addr()),
        Protocol::Udp => UdpSocket::bind(any).and_then(|socket| socket.local_addr()),
    };
    address.expect("a free port on the loopback address").port()
}
