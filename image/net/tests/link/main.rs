//! The stack on a LAN whose every frame is the test's: ARP, ICMP, UDP, fragments.

mod addresses;
mod groups;
mod neighbours;
mod packets;
mod sockets;

use core::cell::RefCell;
use std::rc::Rc;

use embassy_time::Duration;
use switchboard_net::{
    AddressSource, DropReason, IcmpErrorKind, IcmpSocket, InterfaceConfig, PingError, RawSocket, Route, SimpleServices,
    UdpSocket, start_simple_services,
};
use switchboard_net_testing::{TestLan, frames};

const OURS: [u8; 4] = [10, 0, 0, 1];
const ROUTER: [u8; 4] = [10, 0, 0, 254];
const ROUTER_MAC: [u8; 6] = [2, 0, 0, 0, 1, 254];

fn source(prefix: u8, gateway: Option<[u8; 4]>) -> AddressSource {
    AddressSource::Static { address: OURS.into(), prefix, gateway: gateway.map(Into::into) }
}

/// A host of the LAN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Host {
    mac: [u8; 6],
    address: [u8; 4],
}

impl Host {
    fn new(number: u8) -> Self {
        Self { mac: [2, 0, 0, 0, 0, number], address: [10, 0, 0, number] }
    }

    /// Sends a packet to the stack.
    fn send(self, lan: &mut TestLan, packet: &[u8]) {
        lan.send(&frames::ipv4_frame(self.mac, TestLan::MAC, packet));
    }

    /// Returns the answer to an ARP request for this host.
    fn answer(self, frame: &[u8]) -> Option<Vec<u8>> {
        let (operation, sender, target) = frames::arp_of(frame)?;
        let is_ours = operation == 1 && target == self.address && sender != target;
        is_ours.then(|| frames::arp_reply(self.mac, self.address, TestLan::MAC, sender))
    }

    /// Returns whether a frame is an ARP request for this host.
    fn is_asked_for(self, frame: &[u8]) -> bool {
        frames::arp_of(frame).is_some_and(|(operation, _, target)| operation == 1 && target == self.address)
    }

    /// Asks for the stack's Ethernet address, as a host does before its first packet.
    fn introduce(self, lan: &mut TestLan) {
        lan.send(&frames::arp_request(self.mac, self.address, OURS));
        let reply = frames::arp_reply(TestLan::MAC, OURS, self.mac, self.address);
        assert!(lan.pass(2).contains(&reply));
    }
}

/// A stack with UDP echo on port 7, whose start on the link is over.
fn lan() -> TestLan {
    start(source(24, Some(ROUTER)), InterfaceConfig::default())
}

fn start(source: AddressSource, config: InterfaceConfig) -> TestLan {
    let mut lan = TestLan::with_config(source, config);
    let socket = UdpSocket::bind(lan.stack(), 7, 300, 200_000).expect("a socket");
    lan.group().add(async move {
        let mut buffer = vec![0; 65_535];
        while let Ok((length, from)) = socket.receive(&mut buffer).await {
            let _ = socket.send(&buffer[..length], from).await;
        }
    });
    let router = Host { mac: ROUTER_MAC, address: ROUTER };
    for _ in 0..8000 {
        for frame in lan.pass(1) {
            if let Some(answer) = router.answer(&frame) {
                lan.send(&answer);
            }
        }
    }
    lan
}

fn drops(lan: &TestLan, reason: DropReason) -> u64 {
    lan.state().traffic.drops.of(reason)
}

/// Returns the payload of the UDP datagrams in frames to a host.
fn datagrams(frames: &[Vec<u8>], host: Host) -> Vec<Vec<u8>> {
    let to_host = frames.iter().filter(|frame| frame[..6] == host.mac);
    let payloads = to_host.filter_map(|frame| frames::payload_of(frame)).filter(|(protocol, _)| *protocol == 17);
    payloads.map(|(_, datagram)| datagram[8..].to_vec()).collect()
}
