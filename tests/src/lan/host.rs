//! A host on the LAN, with any Ethernet and IP address.

use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use core::sync::atomic::{AtomicU16, Ordering};
use core::time::Duration;
use std::sync::Arc;

use etherparse::IpNumber;

use super::GUEST_MAC;
use super::link::Link;
use super::packet::{self, ARP, BROADCAST, IPV4, IPV6, Mac, arp, ethernet};
use super::peer::Peer;
use super::tcp::{Behaviour, Connection};
use crate::http::Response;

/// A host. Cloning it gives a second handle.
#[derive(Debug, Clone)]
pub struct Host {
    link: Arc<Link>,
    address: IpAddr,
    mac: Mac,
    guest: IpAddr,
    guest_mac: Mac,
}

impl Host {
    /// Creates a host that answers nothing yet.
    #[must_use]
    pub fn new(link: &Arc<Link>, address: IpAddr, mac: Mac, guest: IpAddr) -> Self {
        Self { link: link.clone(), address, mac, guest, guest_mac: GUEST_MAC }
    }

    /// Sends to the card of the guest with this Ethernet address, instead of its first one.
    #[must_use]
    pub fn to_card(self, guest_mac: Mac) -> Self {
        Self { guest_mac, ..self }
    }

    /// Answers ARP requests, or neighbour solicitations, for its address from now on.
    #[must_use]
    pub fn answering(self) -> Self {
        self.link.lock().neighbours.set(self.address, Some(self.mac));
        self
    }

    /// Leaves such requests unanswered from now on.
    #[must_use]
    pub fn silent(self) -> Self {
        self.link.lock().neighbours.set(self.address, None);
        self
    }

    /// Returns a host behind this one, which is a router: frames to it have the router's Ethernet address.
    #[must_use]
    pub fn behind(&self, address: impl Into<IpAddr>) -> Self {
        Self { address: address.into(), ..self.clone() }
    }

    /// Returns its IP address.
    #[must_use]
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// Returns its IPv4 address.
    ///
    /// # Panics
    /// Panics when it has none.
    #[must_use]
    pub fn v4(&self) -> Ipv4Addr {
        match self.address {
            IpAddr::V4(address) => address,
            IpAddr::V6(address) => panic!("{address} is not IPv4"),
        }
    }

    /// Returns its Ethernet address.
    #[must_use]
    pub fn mac(&self) -> Mac {
        self.mac
    }

    /// Sends an IP packet to the guest.
    pub fn send(&self, packet: &[u8]) {
        let ether_type = if packet.first().is_some_and(|first| first >> 4 == 6) { IPV6 } else { IPV4 };
        self.link.send(ethernet(self.guest_mac, self.mac, ether_type, packet));
    }

    /// Sends an IPv4 packet with this protocol and body to the guest.
    pub fn send_ip(&self, protocol: IpNumber, body: &[u8]) {
        self.send(&packet::ip(self.address, self.guest, protocol, body));
    }

    /// Sends a UDP datagram to the guest.
    pub fn send_udp(&self, from_port: u16, to_port: u16, data: &[u8]) {
        let (from, to) = (SocketAddr::new(self.address, from_port), SocketAddr::new(self.guest, to_port));
        self.send(&packet::udp(from, to, data));
    }

    /// Sends an ICMP message to the guest: type, code, the four bytes after the checksum, data.
    pub fn send_icmp(&self, kind: u8, code: u8, rest: [u8; 4], data: &[u8]) {
        self.send_ip(IpNumber::ICMP, &packet::icmp_body(kind, code, rest, data));
    }

    /// Sends an echo request and waits for the reply; returns whether it has the same data.
    #[must_use]
    pub fn ping(&self, data: &[u8], limit: Duration) -> bool {
        let (mark, identifier) = (self.link.mark(), [0x12, 0x34, 0, next_port().to_be_bytes()[1]]);
        self.send_icmp(8, 0, identifier, data);
        let expected = [&identifier[..], data].concat();
        self.link.wait_for(mark, limit, |frame| (frame.icmp()? == (0, 0, &expected[..])).then_some(())).is_some()
    }

    /// Sends an ARP request for the guest's address until it is answered; returns the guest's Ethernet address.
    #[must_use]
    pub fn resolve(&self, limit: Duration) -> Option<Mac> {
        let IpAddr::V4(guest) = self.guest else { return None };
        let mark = self.link.mark();
        let attempts = u32::try_from(limit.as_millis() / 200).unwrap_or(1).max(1);
        (0..attempts).find_map(|_| {
            self.link.send(ethernet(BROADCAST, self.mac, ARP, &arp(1, (self.mac, self.v4()), ([0; 6], guest))));
            self.link.wait_for(mark, limit / attempts, |frame| {
                let reply = frame.arp()?;
                (reply.operation == 2 && reply.sender == guest && reply.target == self.v4()).then_some(reply.sender_mac)
            })
        })
    }

    /// Opens a TCP connection to the guest, from a port of its own; returns at once.
    #[must_use]
    pub fn connect(&self, port: u16) -> Peer {
        self.connect_with(port, Behaviour::default())
    }

    /// Opens a TCP connection that behaves so.
    #[must_use]
    pub fn connect_with(&self, port: u16, behaviour: Behaviour) -> Peer {
        self.connect_from(next_port(), port, behaviour)
    }

    /// Opens a TCP connection from a given port.
    #[must_use]
    pub fn connect_from(&self, from_port: u16, port: u16, behaviour: Behaviour) -> Peer {
        let (local, remote) = (SocketAddr::new(self.address, from_port), SocketAddr::new(self.guest, port));
        let (connection, syn) = Connection::new(local, remote, (self.mac, self.guest_mac), behaviour);
        self.link.lock().connections.insert(local, connection);
        self.link.send(syn);
        Peer::new(self.link.clone(), local)
    }

    /// Requests a path of the guest on a new connection, as an honest client does.
    ///
    /// # Errors
    /// Returns what was missing when there is no whole response in time.
    pub fn fetch(&self, path: &str, limit: Duration) -> Result<Response, String> {
        self.connect(80).last_request(path, limit)
    }
}

/// Returns a port that no connection of this process has had for long.
fn next_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    20_000 + NEXT.fetch_add(1, Ordering::Relaxed) % 40_000
}
