use alloc::boxed::Box;
use alloc::string::ToString;
use alloc::vec;
use core::task::{Context, Waker};

use smoltcp::time::Duration;

use super::frame::{ControlFrame, Endpoints, PAYLOAD, address_at};
use super::output::NextHop;
use super::*;
use crate::config::{ConfigSource, InterfaceConfig, Route};
use crate::link::{DropReason, FrameSender, ReplySender};
use crate::mac::Mac;
use crate::nic::{FrameHandler, Nic, Reply};
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

    fn end_poll(&mut self, _context: &mut Context<'_>) -> bool {
        true
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
}

impl Link {
    fn new(settings: Ipv6Settings) -> Self {
        let mut ipv6 = Ipv6::new(Address::new(0, 0, 2, 0), OURS, 1500, settings, 1);
        ipv6.link_changed(true, Instant::ZERO);
        Self { ipv6, now: Instant::ZERO, traffic: Traffic::default() }
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

    fn receive(&mut self, frame: &[u8]) -> (Received, Vec<Vec<u8>>) {
        let (mut sent, mut frame) = (Sent(Vec::new()), frame.to_vec());
        let mut reply = ReplySender { reply: &mut sent, traffic: &self.traffic };
        let received = self.ipv6.receive(&mut frame, &mut reply, self.now);
        (received, sent.0)
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
    let destination_mac = if destination.is_multicast() { address::multicast_mac(&destination) } else { OURS };
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
fn a_start_detects_duplicates_reports_its_group_and_solicits_routers_at_once() {
    let mut link = Link::new(Ipv6Settings::default());
    assert!(link.ipv6.addresses.has(&address(MINE)), "optimistic");
    let sent = link.pass(0);
    assert_eq!(kinds(&sent), [135, 143, 133]);
    assert_eq!(address_at(&sent[0], 22), Some(Ipv6Addr::UNSPECIFIED));
    assert_eq!(address_at(&sent[2], 22), Some(address(MINE)));
    assert_eq!(sent[2].len(), PAYLOAD + 8, "an optimistic address brings no Ethernet address");
    let sent = link.pass(3600);
    assert!(kinds(&sent).iter().filter(|kind| **kind == 133).count() < 15, "{:?}", kinds(&sent));
}

#[test]
fn a_router_advertisement_configures_the_interface() {
    let mut link = configured();
    let part = link.part(ConfigSource::RouterAdvertisement);
    assert_eq!(part.addresses[0].to_string(), "2001:db8::5054:ff:fe12:3456/64");
    assert_eq!(part.routes[0].to_string(), "::/0 by fe80::9");
    assert_eq!((part.dns_servers[0].to_string().as_str(), part.search_domains[0].as_str()), ("2001:db8::53", "lan"));
    assert_eq!(part.mtu, None, "it is the card's");
    assert_eq!(link.part(ConfigSource::LinkLocal).addresses[0].to_string(), "fe80::5054:ff:fe12:3456/64");
    // No router solicitation any more.
    assert_eq!(kinds(&link.pass(500)), [0; 0]);
    // The lifetime of the DNS server ends, then the router, then the addresses.
    link.pass(200);
    assert!(link.part(ConfigSource::RouterAdvertisement).dns_servers.is_empty());
    assert!(kinds(&link.pass(1200)).contains(&133), "the router has gone");
    link.pass(7200);
    assert_eq!(link.part(ConfigSource::RouterAdvertisement), InterfaceConfig::default());
    assert_eq!(link.ipv6.source_for(&address("2001:db8::1"), link.now), None);
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
fn an_address_of_another_host_is_replaced_while_it_is_optimistic() {
    let mut link = Link::new(Ipv6Settings::default());
    link.pass(0);
    link.receive_router("ff02::1", &ndp::advertisement(&address(MINE), ROUTER_MAC, false, true));
    assert!(!link.ipv6.addresses.has(&address(MINE)));
    let other = link.part(ConfigSource::LinkLocal).addresses[0].address;
    assert_ne!(other.to_string(), MINE);
    assert!(kinds(&link.pass(0)).contains(&135));
    link.pass(5);
    let core::net::IpAddr::V6(other) = other else { panic!("IPv6") };
    link.receive_router("ff02::1", &ndp::advertisement(&other, ROUTER_MAC, false, true));
    assert!(link.ipv6.addresses.has(&other), "a unique one stays");
    assert_eq!(link.ipv6.counters.conflicts, 2);
}

#[test]
fn the_first_frame_to_a_stranger_waits_for_its_answer() {
    let mut link = configured();
    let stranger = address("2001:db8::77");
    let datagram =
        |to| Endpoints { source_mac: OURS, destination_mac: [6; 6], source: address(GLOBAL), destination: to };
    let datagram = ControlFrame::udp(&datagram(stranger), (1000, 2000), b"hello").expect("it fits");
    assert_eq!(link.ipv6.resolve(&stranger, link.now), None);
    link.ipv6.queue(&datagram.as_bytes()[14..], &link.traffic.drops, link.now);
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
    link.ipv6.queue(&frame.as_bytes()[14..], &link.traffic.drops, link.now);
    assert_eq!(link.ipv6.take_failed(), None);
    assert_eq!(kinds(&link.pass(5)), [135; 3]);
    let error = link.ipv6.take_failed().expect("an error");
    assert_eq!((error.kind, error.local.port(), error.remote.port()), (ErrorKind::Unreachable, 1000, 2000));
    assert_eq!(error.remote.ip(), address("2001:db8::77"));
}

#[test]
fn pings_of_any_size_are_answered() {
    let mut link = configured();
    for length in [0, 8, 56, 1452] {
        let message = [&[128, 0, 0, 0, 0, 1, 0, 2][..], &vec![5; length]].concat();
        let mut frame = vec![0; PAYLOAD];
        frame::write_headers(&mut frame, &from_router(GLOBAL), 58, 64, message.len());
        frame.extend(&message);
        frame::fill_checksum(&mut frame, 58, PAYLOAD, PAYLOAD + 2);
        let (received, answer) = link.receive(&frame);
        assert_eq!((received, kinds(&answer), answer[0].len()), (Received::Done, vec![129], frame.len()));
        assert_eq!((&answer[0][..6], address_at(&answer[0], 38)), (&ROUTER_MAC[..], Some(address(ROUTER))));
        assert!(frame::is_checksum_valid(&answer[0], 58, PAYLOAD));
    }
    // In fragments, there and back.
    let message = [&[128, 0, 0, 0, 0, 1, 0, 2][..], &[5; 5000]].concat();
    let mut frame = vec![0; PAYLOAD];
    frame::write_headers(&mut frame, &from_router(GLOBAL), 58, 64, message.len());
    frame.extend(&message);
    frame::fill_checksum(&mut frame, 58, PAYLOAD, PAYLOAD + 2);
    let mut parts = Vec::new();
    icmp::fragment(&frame, 1500, 3, &mut |part| parts.push(part.to_vec()));
    for part in &parts {
        assert_eq!(link.receive(part), (Received::Done, vec![]));
    }
    let answer = link.pass(0);
    assert_eq!((answer.len(), answer[0][20]), (parts.len(), 44));
    // By the group of all nodes: the answer has an address of this host.
    let ends = Endpoints { source: address(ROUTER), ..from_router("ff02::1") };
    let ping = ControlFrame::icmpv6(&ends, 64, &[128, 0, 0, 0, 0, 1, 0, 2]).expect("it fits");
    let (_, answer) = link.receive(ping.as_bytes());
    assert_eq!(address_at(&answer[0], 22), Some(address(MINE)));
}

#[test]
fn datagrams_behind_extension_headers_and_in_fragments_reach_the_sockets() {
    let mut link = configured();
    let datagram = ControlFrame::udp(&from_router(GLOBAL), (1000, 2000), b"hello world").expect("it fits");
    let plain = datagram.as_bytes();
    assert_eq!(link.receive(plain).0, Received::Packet(14..plain.len()));
    let mut options = plain.to_vec();
    options[20] = 60;
    options[19] += 8;
    options.splice(PAYLOAD..PAYLOAD, [17, 0, 1, 4, 0, 0, 0, 0]);
    let (mut frame, mut sent) = (options.clone(), Sent(Vec::new()));
    let mut reply = ReplySender { reply: &mut sent, traffic: &link.traffic };
    let received = link.ipv6.receive(&mut frame, &mut reply, link.now);
    let Received::Packet(range) = received else { panic!("{received:?}") };
    assert_eq!(frame[range], plain[14..]);
    let mut reassembled = Received::Done;
    let mut parts = Vec::new();
    icmp::fragment(&options, 56, 3, &mut |part| parts.push(part.to_vec()));
    for part in parts {
        reassembled = link.receive(&part).0;
    }
    let Received::Reassembled(whole) = reassembled else { panic!("{reassembled:?}") };
    assert_eq!(whole[14..], plain[14..]);
}

#[test]
fn only_packets_for_this_host_are_taken() {
    let mut link = configured();
    let datagram = |ends| ControlFrame::udp(&ends, (1000, 2000), b"hello").expect("it fits");
    let right = from_router(GLOBAL);
    let multicast = [0x33, 0x33, 0, 0, 0, 1];
    for ends in [
        Endpoints { destination: address("2001:db8::1"), ..right },
        Endpoints { destination_mac: [2; 6], ..right },
        Endpoints { destination_mac: multicast, ..right },
        Endpoints { source: address("ff02::1"), ..right },
        Endpoints { source: Ipv6Addr::LOCALHOST, ..right },
        Endpoints { source: Ipv6Addr::UNSPECIFIED, ..right },
        Endpoints { source: address(GLOBAL), ..right },
        Endpoints { destination: MDNS, destination_mac: address::multicast_mac(&MDNS), ..right },
    ] {
        assert_eq!(link.receive(datagram(ends).as_bytes()), (Received::Done, vec![]), "{ends:?}");
    }
    assert!(link.ipv6.join(MDNS, link.now));
    let mdns = Endpoints { destination: MDNS, destination_mac: address::multicast_mac(&MDNS), ..right };
    assert!(matches!(link.receive(datagram(mdns).as_bytes()).0, Received::Packet(_)));
    let whole = datagram(right);
    for length in 0..whole.as_bytes().len() {
        assert_eq!(link.receive(&whole.as_bytes()[..length]).0, Received::Done, "{length} bytes");
    }
}

#[test]
fn ports_without_a_socket_are_answered_at_a_limited_rate() {
    let mut link = configured();
    let datagram = ControlFrame::udp(&from_router(GLOBAL), (1000, 2000), b"hello").expect("it fits");
    let mut sent = Sent(Vec::new());
    let traffic = Traffic::default();
    for _ in 0..1000 {
        let mut reply = ReplySender { reply: &mut sent, traffic: &traffic };
        link.ipv6.port_unreachable(&datagram.as_bytes()[14..], &mut reply, link.now);
    }
    assert_eq!((sent.0.len(), &sent.0[0][PAYLOAD..PAYLOAD + 2]), (10, &[1, 4][..]));
    let group = ControlFrame::udp(&from_router("ff02::1"), (1000, 2000), b"hello").expect("it fits");
    link.pass(10);
    let mut reply = ReplySender { reply: &mut sent, traffic: &traffic };
    link.ipv6.port_unreachable(&group.as_bytes()[14..], &mut reply, link.now);
    assert_eq!(sent.0.len(), 10, "not about a multicast datagram");
}

#[test]
fn errors_about_own_packets_are_for_their_sockets() {
    let mut link = configured();
    let ends = Endpoints { source: address(GLOBAL), destination: address("2001:db9::1"), ..from_router(GLOBAL) };
    let packet = ControlFrame::udp(&ends, (1000, 2000), b"hello").expect("it fits");
    let message = [&[2, 0, 0, 0, 0, 0, 5, 0x14][..], &packet.as_bytes()[14..]].concat();
    let frame = ControlFrame::icmpv6(&from_router(GLOBAL), 64, &message).expect("it fits");
    let (Received::Error(error), _) = link.receive(frame.as_bytes()) else { panic!("an error") };
    assert_eq!((error.kind, error.remote.to_string().as_str()), (ErrorKind::TooBig(1300), "[2001:db9::1]:2000"));
    assert_eq!(usize::from(error.packet_bytes), packet.as_bytes().len() - 14);
}

#[test]
fn flags_of_the_router_start_the_dhcpv6_client() {
    for (flags, kind) in [(0, None), (0x40, Some(11)), (0x80, Some(1)), (0xc0, Some(1))] {
        let mut link = Link::new(Ipv6Settings::default());
        link.pass(2);
        link.receive_router("ff02::1", &advertisement(flags, 1800, "2001:db8::"));
        let sent = link.pass(2);
        let datagram = sent.iter().find(|frame| frame[20] == 17);
        assert_eq!(datagram.map(|frame| frame[PAYLOAD + 8]), kind, "{flags:#x}");
        let Some(datagram) = datagram.filter(|_| kind == Some(11)) else { continue };
        let server = [0, 2, 0, 4, 9, 9, 9, 9];
        let reply = [&[7][..], &datagram[PAYLOAD + 9..PAYLOAD + 26], &server, &[0, 56, 0, 20, 0, 1, 0, 16]].concat();
        let reply = [reply, address("2001:db8::123").octets().to_vec()].concat();
        let frame = ControlFrame::udp(&from_router(MINE), (547, 546), &reply).expect("it fits");
        assert_eq!(link.receive(frame.as_bytes()).0, Received::Done);
        assert_eq!(link.part(ConfigSource::Dhcpv6).ntp_servers, [address("2001:db8::123")]);
    }
}

#[test]
fn static_addresses_and_a_gateway_need_no_router() {
    let settings = Ipv6Settings {
        addresses: vec![(address("2001:db8:5::5"), 64)],
        gateway: Some(address("2001:db8:5::1")),
        routes: vec![Route::new(address("2001:db8:7::").into(), 48, Some(address("2001:db8:5::2").into()))],
        is_manual: true,
        is_off: false,
    };
    let mut link = Link::new(settings);
    assert!(!kinds(&link.pass(10)).contains(&133));
    link.receive_router("ff02::1", &advertisement(0, 1800, "2001:db8::"));
    assert!(!link.ipv6.addresses.has(&address(GLOBAL)), "routers are not listened to");
    assert_eq!(link.ipv6.next_hop(&address("2001:db8:5::9"), link.now), NextHop::Wait(address("2001:db8:5::9")));
    assert_eq!(link.ipv6.next_hop(&address("2001:db9::9"), link.now), NextHop::Wait(address("2001:db8:5::1")));
    let part = link.part(ConfigSource::CommandLine);
    assert_eq!((part.addresses[0].to_string().as_str(), part.routes.len()), ("2001:db8:5::5/64", 2));
    assert_eq!(link.ipv6.next_hop(&address("2001:db8:7::9"), link.now), NextHop::Wait(address("2001:db8:5::2")));
    link.ipv6.link_changed(false, link.now);
    assert_eq!(link.ipv6.deadline(), NEVER);
}

#[test]
fn a_link_that_comes_back_has_its_addresses_and_detects_duplicates_again() {
    let mut link = configured();
    link.ipv6.link_changed(false, link.now);
    assert_eq!((link.pass(10).len(), link.ipv6.deadline()), (0, NEVER));
    assert!(link.ipv6.addresses.has(&address(GLOBAL)));
    link.ipv6.link_changed(true, link.now);
    assert_eq!(kinds(&link.pass(0)), [135, 135, 143, 133]);
}

#[test]
fn no_frame_ends_the_machine_and_memory_stays_within_bounds() {
    let mut link = configured();
    let mut state = 1;
    let seeds: [Box<dyn Fn() -> Vec<u8>>; 3] = [
        Box::new(|| {
            let message = advertisement(0xc0, 1800, "2001:db8:3::");
            ControlFrame::icmpv6(&from_router("ff02::1"), 255, &message).expect("it fits").as_bytes().to_vec()
        }),
        Box::new(|| {
            let message = ndp::advertisement(&address(ROUTER), ROUTER_MAC, true, true);
            ControlFrame::icmpv6(&from_router(GLOBAL), 255, &message).expect("it fits").as_bytes().to_vec()
        }),
        Box::new(|| {
            let ends = from_router(GLOBAL);
            let datagram = ControlFrame::udp(&ends, (547, 546), &[7; 200]).expect("it fits");
            let mut parts = Vec::new();
            icmp::fragment(datagram.as_bytes(), 100, 3, &mut |part| parts.push(part.to_vec()));
            parts.swap_remove(0)
        }),
    ];
    for round in 0..30_000 {
        let mut frame = seeds[round % seeds.len()]();
        for _ in 0..1 + next_random(&mut state) % 4 {
            let at = next_random(&mut state) as usize % frame.len();
            frame[at] = next_random(&mut state).to_le_bytes()[0];
        }
        if frame[20] == 58 {
            frame::fill_checksum(&mut frame, 58, PAYLOAD, PAYLOAD + 2);
        }
        link.receive(&frame);
        if round % 100 == 0 {
            link.pass(1);
        }
    }
    assert!(link.ipv6.pending.len() <= 64 && link.ipv6.resolved.len() <= 600);
}
