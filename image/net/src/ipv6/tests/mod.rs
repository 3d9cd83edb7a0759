//! IPv6 on a link whose every frame is the test's.

mod configuration;
mod packets;

use alloc::string::ToString;
use alloc::vec;
use core::task::{Context, Waker};

use smoltcp::time::Duration;

use super::frame::{ControlFrame, Endpoints, PAYLOAD, address_at};
use super::output::NextHop;
use super::*;
use crate::config::{ConfigSource, InterfaceConfig, Route};
use crate::link::icmp::{IcmpError, IcmpErrorKind};
use crate::link::{DropReason, FrameSender, ReplySender};
use crate::mac::Mac;
use crate::nic::{FrameHandler, LinkStatus, Nic, Reply};
use crate::traffic::Traffic;

const OURS: [u8; 6] = [0x52, 0x54, 0, 0x12, 0x34, 0x56];
const ROUTER_MAC: [u8; 6] = [2, 0, 0, 0, 0, 9];
const MINE: &str = "fe80::5054:ff:fe12:3456";
const GLOBAL: &str = "2001:db8::5054:ff:fe12:3456";
const ROUTER: &str = "fe80::9";

fn address(text: &str) -> Ipv6Addr {
    text.parse().expect("an address")
}

struct Sent(Vec<Vec<u8>>);

impl Nic for Sent {
    fn mac(&self) -> Mac {
        Mac(OURS)
    }

    fn capabilities(&self) -> crate::Capabilities {
        crate::Capabilities::default()
    }

    fn set_polled(&mut self, _is_polled: bool) {}

    fn receive(&mut self, _context: &mut Context<'_>, _handle: &mut FrameHandler<'_>) -> bool {
        false
    }

    fn can_send(&mut self, _context: &mut Context<'_>) -> bool {
        true
    }

    fn send(&mut self, _context: &mut Context<'_>, length: usize, fill: &mut dyn FnMut(&mut [u8])) {
        Reply::send(self, length, fill);
    }

    fn set_groups(&mut self, _groups: &[Mac]) {}

    fn end_poll(&mut self, _context: &mut Context<'_>) -> LinkStatus {
        LinkStatus::Up
    }
}

impl Reply for Sent {
    fn send(&mut self, length: usize, fill: &mut dyn FnMut(&mut [u8])) {
        let mut frame = vec![0; length];
        fill(&mut frame);
        self.0.push(frame);
    }
}

/// IPv6 on a link whose every frame is the test's.
struct Link {
    ipv6: Ipv6,
    now: Instant,
    traffic: Traffic,
    /// What the last message reported.
    error: Option<IcmpError>,
}

impl Link {
    fn new(settings: Ipv6Settings) -> Self {
        let mut ipv6 = Ipv6::new(Address::new(0, 0, 2, 0), OURS, 1500, settings, 1);
        ipv6.link_changed(true, Instant::ZERO);
        Self { ipv6, now: Instant::ZERO, traffic: Traffic::default(), error: None }
    }

    /// Returns the frames that are sent until `seconds` have passed.
    fn pass(&mut self, seconds: u32) -> Vec<Vec<u8>> {
        let (mut sent, end) = (Sent(Vec::new()), self.now + Duration::from_secs(seconds.into()));
        let mut context = Context::from_waker(Waker::noop());
        loop {
            let (nic, traffic) = (&mut sent, &self.traffic);
            self.ipv6.poll(&mut FrameSender { nic, context: &mut context, traffic, is_full: false }, self.now);
            let next = self.ipv6.deadline();
            if next > end {
                self.now = end;
                return sent.0;
            }
            self.now = self.now.max(next);
            assert!(sent.0.len() < 1000, "a flood");
        }
    }

    /// Receives a frame, and handles it if it is of ICMPv6. Returns the answers.
    fn receive(&mut self, frame: &[u8]) -> (Received, Vec<Vec<u8>>) {
        let (mut sent, mut frame) = (Sent(Vec::new()), frame.to_vec());
        let mut reply = ReplySender { reply: &mut sent, traffic: &self.traffic };
        let received = self.ipv6.receive(&mut frame, &mut reply, self.now);
        let mut whole = match &received {
            Received::Done => Vec::new(),
            Received::Packet(range) => frame[range.clone()].to_vec(),
            Received::Reassembled(whole) => whole.clone(),
        };
        if whole.get(20) != Some(&58) {
            return (received, sent.0);
        }
        self.error = self.ipv6.control(&mut whole, &mut reply, self.now);
        (Received::Done, sent.0)
    }

    /// Receives a message from the router.
    fn receive_router(&mut self, destination: &str, message: &[u8]) -> Vec<Vec<u8>> {
        let frame = ControlFrame::icmpv6(&from_router(destination), 255, message).expect("it fits");
        let (received, sent) = self.receive(frame.as_bytes());
        assert_eq!(received, Received::Done);
        sent
    }

    fn part(&self, source: ConfigSource) -> InterfaceConfig {
        let mut part = InterfaceConfig::default();
        self.ipv6.contribute(source, &mut part);
        part
    }
}

fn from_router(destination: &str) -> Endpoints {
    let destination = address(destination);
    let destination_mac = if destination.is_multicast() { multicast_mac(&destination) } else { OURS };
    Endpoints { source_mac: ROUTER_MAC, destination_mac, source: address(ROUTER), destination }
}

/// Returns a router advertisement with a prefix, a DNS server, a domain and an MTU.
fn advertisement(flags: u8, lifetime_s: u16, prefix: &str) -> Vec<u8> {
    let mut message = vec![134, 0, 0, 0, 64, flags];
    message.extend(lifetime_s.to_be_bytes());
    message.extend([0; 8]);
    message.extend([&[1, 1][..], &ROUTER_MAC].concat());
    message.extend(
        [&[3, 4, 64, 0xc0, 0, 0, 0x1c, 0x20, 0, 0, 0x0e, 0x10, 0, 0, 0, 0][..], &address(prefix).octets()].concat(),
    );
    message.extend([&[25, 3, 0, 0, 0, 0, 2, 0x58][..], &address("2001:db8::53").octets()].concat());
    message.extend(b"\x1f\x02\x00\x00\x00\x00\x02\x58\x03lan\x00\x00\x00\x00");
    message.extend([5, 1, 0, 0, 0, 0, 5, 0xdc]);
    message
}

/// Returns the type of each ICMPv6 message.
fn kinds(frames: &[Vec<u8>]) -> Vec<u8> {
    let kind = |frame: &Vec<u8>| match frame[20] {
        0 => frame[PAYLOAD + 8],
        17 => 17,
        _ => frame[PAYLOAD],
    };
    frames.iter().map(kind).collect()
}

/// Returns a link whose router has advertised itself, after all detection.
fn configured() -> Link {
    let mut link = Link::new(Ipv6Settings::default());
    link.pass(2);
    link.receive_router("ff02::1", &advertisement(0, 1800, "2001:db8::"));
    link.pass(3);
    link
}

#[test]
fn solicitations_are_answered_and_probes_of_others_are_defended() {
    let mut link = configured();
    let group = address::solicited_node(&address(GLOBAL)).to_string();
    let answer = link.receive_router(&group, &ndp::solicitation(&address(GLOBAL), Some(ROUTER_MAC)));
    assert_eq!((kinds(&answer), answer[0][..6].to_vec()), (vec![136], ROUTER_MAC.to_vec()));
    assert_eq!((answer[0][PAYLOAD + 4], address_at(&answer[0], 38)), (0x60, Some(address(ROUTER))));
    // Another host detects duplicates: the answer goes to all.
    let probe = Endpoints { source: Ipv6Addr::UNSPECIFIED, ..from_router(&group) };
    let probe = ControlFrame::icmpv6(&probe, 255, &ndp::solicitation(&address(GLOBAL), None)).expect("it fits");
    let (_, answer) = link.receive(probe.as_bytes());
    assert_eq!((answer[0][PAYLOAD + 4], address_at(&answer[0], 38)), (0x20, Some(address::ALL_NODES)));
    assert!(link.ipv6.addresses.has(&address(GLOBAL)));
    // From behind a router, or for another target: none.
    let far = ControlFrame::icmpv6(&from_router(&group), 254, &ndp::solicitation(&address(GLOBAL), Some(ROUTER_MAC)));
    assert_eq!(link.receive(far.expect("it fits").as_bytes()).1.len(), 0);
    assert_eq!(link.traffic.drops.of(DropReason::Malformed), 1);
}

#[test]
fn the_first_frame_to_a_stranger_waits_for_its_answer() {
    let mut link = configured();
    let stranger = address("2001:db8::77");
    let datagram =
        |to| Endpoints { source_mac: OURS, destination_mac: [6; 6], source: address(GLOBAL), destination: to };
    let datagram = ControlFrame::udp(&datagram(stranger), (1000, 2000), b"hello").expect("it fits");
    assert_eq!(link.ipv6.resolve(&stranger, link.now), None);
    assert_eq!(link.ipv6.queue(&datagram.as_bytes()[14..], link.now), Ok(()));
    let sent = link.pass(0);
    assert_eq!((kinds(&sent), address_at(&sent[0], 22)), (vec![135], Some(address(GLOBAL))));
    let answer = Endpoints { source: stranger, source_mac: [6; 6], ..from_router(GLOBAL) };
    let answer = ControlFrame::icmpv6(&answer, 255, &ndp::advertisement(&stranger, [6; 6], true, true));
    link.receive(answer.expect("it fits").as_bytes());
    let sent = link.pass(0);
    assert_eq!(sent, [datagram.as_bytes()]);
    assert_eq!(link.ipv6.next_hop(&stranger, link.now), NextHop::Mac([6; 6]));
    assert_eq!(link.ipv6.next_hop(&address("2001:db9::1"), link.now), NextHop::Mac(ROUTER_MAC));
    assert_eq!(link.ipv6.next_hop(&address::ALL_NODES, link.now), NextHop::Mac([0x33, 0x33, 0, 0, 0, 1]));
}

#[test]
fn a_silent_next_hop_is_an_error_for_the_socket() {
    let mut link = configured();
    let NextHop::Wait(next_hop) = link.ipv6.next_hop(&address("2001:db8::77"), link.now) else { panic!("unknown") };
    let ends = Endpoints { source_mac: OURS, destination_mac: [0; 6], source: address(GLOBAL), destination: next_hop };
    let frame = ControlFrame::udp(&ends, (1000, 2000), b"hello").expect("it fits");
    assert_eq!(link.ipv6.queue(&frame.as_bytes()[14..], link.now), Ok(()));
    assert_eq!(link.ipv6.take_failed(), None);
    assert_eq!(kinds(&link.pass(5)), [135; 3]);
    let failed = link.ipv6.take_failed().expect("the frame");
    let error = IcmpError::local(&failed[14..], IcmpErrorKind::HostUnreachable).expect("an error");
    assert_eq!((error.local_port, error.remote), (1000, (address("2001:db8::77"), 2000).into()));
    assert_eq!((error.reporter, error.local_address), (address(GLOBAL).into(), address(GLOBAL).into()));
}
