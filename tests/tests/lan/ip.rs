//! IP, ICMP and UDP: fragments, pings of any size, ports without a service, services that must not answer each other.

use core::net::{Ipv4Addr, SocketAddr};
use core::time::Duration;
use std::sync::Arc;

use etherparse::IpNumber;
use switchboard_tests::lan::packet::{self, BROADCAST, IPV4, ethernet};
use switchboard_tests::lan::{Content, Frame, GUEST_MAC, Host, LIMIT, Lan, Link};

use crate::seconds;

/// Waits for the reply to an echo request, in one piece or in fragments; returns its data after the identifier.
fn reply(lan: &Lan, mark: usize, length: usize, limit: Duration) -> Option<Vec<u8>> {
    let mut whole = vec![0; length + 8];
    let mut have = 0;
    lan.wait_for(mark, limit, |frame| {
        if let Some((0, 0, rest)) = frame.icmp() {
            return Some(rest[4..].to_vec());
        }
        if let Content::Fragment { offset, data, .. } = &frame.content {
            whole.get_mut(*offset..offset + data.len())?.copy_from_slice(data);
            have += data.len();
        }
        (have == whole.len()).then(|| whole[8..].to_vec())
    })
}

fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|index| u8::try_from(index * 7 % 251).expect("below 251")).collect()
}

#[test]
fn pings_of_every_size_are_answered() {
    let lan = Lan::start("10.0.0.1/24", |qemu| qemu);
    let host = lan.host(2);
    for size in [0_u16, 1, 56, 1000, 1472, 1473, 2000, 2952, 4000, 8000] {
        let data = pattern(size.into());
        let body = packet::icmp_body(8, 0, [0, 1, 0, 1], &data);
        let mark = lan.mark();
        send_in_fragments(&lan, &host, IpNumber::ICMP, size, &body);
        let answer = reply(&lan, mark, size.into(), LIMIT).unwrap_or_else(|| panic!("no reply to {size} bytes"));
        assert!(answer == data, "other data came back from a ping of {size} bytes");
    }
}

fn send_in_fragments(lan: &Lan, host: &Host, protocol: IpNumber, identification: u16, body: &[u8]) {
    for fragment in packet::fragments((host.v4(), lan.address()), protocol, identification, body, 1480) {
        host.send(&fragment);
    }
}

#[test]
fn a_packet_is_reassembled_from_fragments_in_any_order() {
    let lan = Lan::start("10.0.0.1/24", |qemu| qemu);
    let host = lan.host(2);
    let body = packet::icmp_body(8, 0, [0, 1, 0, 1], &pattern(3000));
    let mut fragments = packet::fragments((host.v4(), lan.address()), IpNumber::ICMP, 77, &body, 800);
    fragments.reverse();
    let mark = lan.mark();
    fragments.iter().for_each(|fragment| host.send(fragment));
    assert!(reply(&lan, mark, 3000, LIMIT).is_some_and(|answer| answer == pattern(3000)), "in reverse order");
    // A missing fragment: no reply, and the next packet is answered.
    let mark = lan.mark();
    fragments.iter().skip(1).for_each(|fragment| host.send(fragment));
    assert!(reply(&lan, mark, 3000, seconds(1)).is_none(), "a reply to an incomplete packet");
    assert!(host.ping(b"whole", LIMIT));
}

#[test]
fn fragments_of_any_kind_use_bounded_memory() {
    let lan = Lan::start("10.0.0.1/24", |qemu| qemu.memory("32M"));
    let host = lan.host(2);
    lan.probe(&host).expect("a page");
    let before = lan.heap_bytes();
    // First fragments of 20,000 packets that never become whole, at offsets that overlap or exceed 65,535 bytes.
    for index in 0..20_000_u16 {
        let protocol = [IpNumber::ICMP, IpNumber::TCP, IpNumber::UDP][usize::from(index % 3)];
        let offset = [0, 1, 0x1fff, 185, 0x1f00][usize::from(index % 5)];
        let data = pattern([8, 64, 600, 1400][usize::from(index % 4)]);
        host.send(&packet::ipv4(host.v4(), lan.address(), protocol, &data, |header| {
            header.dont_fragment = false;
            header.identification = index;
            header.more_fragments = index % 7 != 0;
            header.fragment_offset = offset.try_into().expect("13 bits");
        }));
    }
    lan.probe(&host).expect("a page after 20,000 fragments");
    let grown = lan.heap_bytes() - before;
    assert!(grown < 600_000.0, "the heap grew by {grown} bytes");
    assert!(host.ping(b"alive", LIMIT));
}

#[test]
fn overlapping_fragments_are_dropped() {
    let lan = Lan::start("10.0.0.1/24", |qemu| qemu);
    let host = lan.host(2);
    let body = packet::icmp_body(8, 0, [0, 1, 0, 1], &pattern(1600));
    let piece = |from: u16, to: usize, more: bool| {
        packet::ipv4(host.v4(), lan.address(), IpNumber::ICMP, &body[from.into()..to], |header| {
            header.dont_fragment = false;
            header.identification = 9;
            header.more_fragments = more;
            header.fragment_offset = (from / 8).try_into().expect("13 bits");
        })
    };
    let mark = lan.mark();
    // Whatever becomes of the overlap (RFC 5722 for IPv6; RFC 1858, 6), no other data may come back.
    host.send(&piece(0, 800, true));
    host.send(&packet::ipv4(host.v4(), lan.address(), IpNumber::ICMP, &[0xee; 400], |header| {
        header.dont_fragment = false;
        header.identification = 9;
        header.more_fragments = true;
        header.fragment_offset = 50.try_into().expect("13 bits");
    }));
    host.send(&piece(800, body.len(), false));
    let answer = reply(&lan, mark, 1600, seconds(1));
    assert!(answer.is_none_or(|answer| answer == pattern(1600)), "data of an overlapping fragment came back");
    assert!(host.ping(b"alive", LIMIT));
}

#[test]
fn a_port_without_a_service_is_said_to_be_unreachable() {
    let lan = Lan::start("10.0.0.1/24", |qemu| qemu);
    let host = lan.host(2);
    let mark = lan.mark();
    host.send_udp(5000, 4321, b"is there a service?");
    let quoted = lan.wait_for(mark, LIMIT, |frame| {
        let (3, 3, rest) = frame.icmp()? else { return None };
        Some(rest[4..].to_vec())
    });
    // RFC 1122, 3.2.2: the IP header and at least 8 bytes of the datagram are quoted.
    let quoted = quoted.expect("destination unreachable, port unreachable");
    assert_eq!(quoted[12..16], host.v4().octets());
    assert_eq!(quoted[20..24], [5000_u16.to_be_bytes(), 4321_u16.to_be_bytes()].concat());

    // The rate is limited (RFC 1812, 4.3.2.8), and a page is still served.
    let mark = lan.mark();
    (0..3000).for_each(|port| host.send_udp(6000, 10_000 + port, b"x"));
    lan.probe(&host).expect("a page");
    let errors = lan.count_since(mark, |frame| frame.icmp().is_some_and(|(kind, ..)| kind == 3));
    assert!(errors < 1500, "{errors} errors for 3,000 datagrams at once");
}

#[test]
fn nothing_answers_broadcasts_and_impossible_senders() {
    let lan = Lan::start("10.0.0.1/24", |qemu| qemu.option("services=all"));
    let host = lan.host(2);
    lan.probe(&host).expect("a page");
    let own = lan.address();
    let mark = lan.mark();
    let broadcast = |packet: &[u8]| lan.send(ethernet(BROADCAST, host.mac(), IPV4, packet));
    for to in [Ipv4Addr::BROADCAST, Ipv4Addr::new(10, 0, 0, 255), Ipv4Addr::new(224, 0, 0, 1)] {
        // RFC 1122, 3.2.2 and 4.1.3.5: no error and no echo for a broadcast.
        broadcast(&packet::udp((host.v4(), 5000).into(), (to, 4321).into(), b"none"));
        let syn = packet::Segment { seq: 1, flags: packet::SYN, ..packet::Segment::default() };
        broadcast(&packet::tcp((host.v4(), 5000).into(), (to, 80).into(), &syn));
    }
    for from in ["10.0.0.1", "127.0.0.1", "255.255.255.255", "10.0.0.255", "224.0.0.1", "0.0.0.0", "240.0.0.1"] {
        let from: Ipv4Addr = from.parse().expect("an address");
        for port in [7, 4321] {
            host.send(&packet::udp((from, 5000).into(), (own, port).into(), b"none"));
        }
        host.send(&packet::ip(from.into(), own.into(), IpNumber::ICMP, &packet::icmp_body(8, 0, [0; 4], b"none")));
        let syn = packet::Segment { seq: 1, flags: packet::SYN, ..packet::Segment::default() };
        host.send(&packet::tcp((from, 5000).into(), (own, 80).into(), &syn));
    }
    // An error about an error, and one about nothing.
    host.send_icmp(3, 3, [0; 4], &[0; 28]);
    lan.probe(&lan.host(3)).expect("a page");
    lan.sleep(seconds(2));
    let answers: Vec<_> = lan
        .frames_since(mark)
        .into_iter()
        .filter(|frame| frame.ip.is_some_and(|ip| ip.source == own && ip.destination != lan.host(3).address()))
        // What was still under way to the first probe.
        .filter(|frame| frame.tcp().is_none_or(|(to, _)| to.port() < 20_000))
        .map(|frame| frame.to_string())
        .collect();
    assert!(answers.is_empty(), "{answers:?}");
    for address in ["127.0.0.1", "255.255.255.255", "10.0.0.255", "224.0.0.1", "0.0.0.0", "240.0.0.1"] {
        let asked = lan.arp_requests_since(mark, address.parse().expect("an address"));
        assert_eq!(asked, 0, "ARP requests for {address}");
    }
}

#[test]
fn services_do_not_answer_services() {
    let lan = Lan::start("10.0.0.1/24", |qemu| qemu.option("services=all"));
    let host = lan.host(2);
    let echoed = |port: u16| {
        let mark = lan.mark();
        (0..5).for_each(|_| host.send_udp(port, 7, b"loop"));
        host.send_udp(5000, 7, b"last");
        lan.wait_for(mark, LIMIT, |frame| (frame.udp()?.2 == b"last").then_some(())).expect("an echo");
        lan.count_since(mark, |frame| frame.udp().is_some_and(|(_, to, _)| to.port() == port))
    };
    for port in [0, 7, 9, 13, 17, 19, 37, 53, 123] {
        assert_eq!(echoed(port), 0, "datagrams from port {port} were echoed");
    }
    assert_eq!(echoed(1024), 5);
}

#[test]
fn no_service_runs_unless_it_is_selected() {
    let lan = Lan::start("10.0.0.1/24", |qemu| qemu);
    let host = lan.host(2);
    for port in [7, 9, 19] {
        assert!(!host.connect(port).is_opened(LIMIT), "port {port} is open");
    }
    let mark = lan.mark();
    host.send_udp(5000, 7, b"hello");
    lan.probe(&host).expect("a page");
    assert_eq!(lan.count_since(mark, |frame| frame.udp().is_some()), 0, "a datagram was echoed");
}

#[test]
fn two_machines_with_echo_do_not_echo_for_ever() {
    let first = Lan::start("10.0.0.1/24", |qemu| qemu.option("services=all"));
    let second = Lan::start("10.0.0.2/24", |qemu| qemu.option("services=all"));
    // Each is a host for the other.
    let (there, here) = (first.host(2), second.host(1));
    let forward = |to: &Arc<Link>, from: Host| {
        let to = to.clone();
        move |frame: &Frame| {
            if frame.arp().is_none() {
                to.send([&GUEST_MAC[..], &from.mac(), &frame.bytes[12..]].concat());
            }
            Vec::new()
        }
    };
    let (mark_one, mark_two) = (first.mark(), second.mark());
    first.respond(forward(second.link(), here.clone()));
    second.respond(forward(first.link(), there));
    let (from, to): (SocketAddr, SocketAddr) = ((here.v4(), 7).into(), (second.address(), 7).into());
    here.send(&packet::udp(from, to, b"for ever"));
    first.sleep(seconds(3));
    let frames = first.mark() - mark_one + second.mark() - mark_two;
    assert!(frames < 40, "{frames} frames in 3 s after one datagram");
}

#[test]
fn a_flood_of_pings_delays_no_one_for_long() {
    let lan = Lan::start("10.0.0.1/24", |qemu| qemu);
    let host = lan.host(2);
    for _ in 0..10 {
        let connection = lan.host(3).connect(80);
        for sequence in 0..500_u16 {
            let [high, low] = sequence.to_be_bytes();
            host.send_icmp(8, 0, [0, 1, high, low], &[0x55; 56]);
        }
        connection.last_request("/hello", LIMIT).expect("a page during the flood");
    }
}
