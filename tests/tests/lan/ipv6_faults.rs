//! The faults of the other tests over IPv6: neighbours, half-open connections, datagrams, fragments, forged advertisements.

use core::net::{IpAddr, Ipv6Addr, SocketAddr};
use core::time::Duration;
use std::time::Instant;

use etherparse::IpNumber;
use switchboard_tests::lan::packet::{self, ACK, IPV6, Mac, RST, SYN, Segment, ethernet};
use switchboard_tests::lan::{Behaviour, GUEST_MAC, Host, LIMIT, Lan, Peer};
use switchboard_tests::{Qemu, mebibyte_file, sha256};

use crate::seconds;

const GUEST: Ipv6Addr = Ipv6Addr::new(0xfd00, 6, 0, 0, 0, 0, 0, 1);
/// All nodes of the link (RFC 4291, 2.7.1).
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
const ALL_NODES_MAC: Mac = [0x33, 0x33, 0, 0, 0, 1];
const ECHO_REQUEST: u8 = 128;
const ECHO_REPLY: u8 = 129;

fn start(change: impl FnOnce(Qemu) -> Qemu) -> Lan {
    let lan = Lan::start("10.0.0.1/24,fd00:6::1/64,fd00:6::fe", change);
    lan.guest.wait_for("address fd00:6::1/64");
    // Without the gateway nothing far is answered.
    drop(host(&lan, 0xfe));
    lan
}

/// Returns the host with this last part of its address; it answers neighbour solicitations.
fn host(lan: &Lan, last: u16) -> Host {
    let [high, low] = last.to_be_bytes();
    let address = Ipv6Addr::new(0xfd00, 6, 0, 0, 0, 0, 0, last);
    Host::new(lan.link(), address.into(), [2, 6, 0, 0, high, low], GUEST.into()).answering()
}

fn v6(host: &Host) -> Ipv6Addr {
    match host.address() {
        IpAddr::V6(address) => address,
        IpAddr::V4(address) => panic!("{address} is not IPv6"),
    }
}

/// Returns a host far away, behind the router, different for each index.
fn far(lan: &Lan, index: u32) -> Host {
    let [a, b, c, d] = index.to_be_bytes();
    let address = Ipv6Addr::from([0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, a, b, c, d]);
    host(lan, 0xfe).behind(address)
}

fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|index| u8::try_from(index * 7 % 251).expect("below 251")).collect()
}

/// Returns the fragments of a packet with this upper-layer part (RFC 8200, 4.5), as offset, whether more follow, and packet.
fn fragment(source: Ipv6Addr, identification: u32, offset: usize, more: bool, piece: &[u8]) -> Vec<u8> {
    let field = u16::try_from(offset).expect("16 bits") | u16::from(more);
    let header = [&[58, 0][..], &field.to_be_bytes(), &identification.to_be_bytes()].concat();
    packet::ip(source.into(), GUEST.into(), IpNumber(44), &[&header[..], piece].concat())
}

/// Waits for an echo reply, whole or in fragments; returns its data.
fn reply(lan: &Lan, mark: usize, length: usize, limit: Duration) -> Option<Vec<u8>> {
    let mut whole = vec![0; length + 8];
    let mut have = 0;
    lan.wait_for(mark, limit, |frame| {
        if let Some((ECHO_REPLY, 0, rest)) = frame.icmp() {
            return Some(rest[4..].to_vec());
        }
        // A fragment of ICMPv6.
        let packet =
            frame.bytes.get(14..).filter(|packet| packet.len() > 48 && packet[0] >> 4 == 6 && packet[6] == 44)?;
        let offset = usize::from(u16::from_be_bytes([packet[42], packet[43]]) & !7);
        let end = 40 + usize::from(u16::from_be_bytes([packet[4], packet[5]]));
        let piece = packet.get(48..end)?;
        whole.get_mut(offset..offset + piece.len())?.copy_from_slice(piece);
        have += piece.len();
        (have == whole.len()).then(|| whole[8..].to_vec())
    })
}

#[test]
fn many_hosts_and_half_open_connections_over_ipv6() {
    let lan = start(|qemu| qemu.option("services=all"));
    let begin = Instant::now();
    for last in 0x100..0x100 + 200 {
        let time = lan.probe(&host(&lan, last)).unwrap_or_else(|error| panic!("host {last}: {error}"));
        assert!(time < seconds(1), "host {last}: {time:?}");
    }
    eprintln!("200 hosts in {:?}", begin.elapsed());
    // Half-open ones of far hosts, then a burst of one host.
    let mark = lan.mark();
    for index in 0..1000 {
        let from = far(&lan, index * 7);
        let syn = Segment { seq: index, flags: SYN, options: vec![2, 4, 5, 0xa0], ..Segment::default() };
        from.send(&packet::tcp(SocketAddr::new(from.address(), 20_000), (GUEST, 80).into(), &syn));
    }
    lan.probe(&host(&lan, 2)).expect("a page beside half-open connections");
    assert_eq!(lan.count_since(mark, |frame| frame.tcp().is_some_and(|(_, segment)| segment.has(RST))), 0);
    let burst: Vec<Peer> = (0..64).map(|_| host(&lan, 3).connect(80)).collect();
    for (index, connection) in burst.iter().enumerate() {
        let page = connection.last_request("/hello", seconds(30));
        assert_eq!(page.unwrap_or_else(|error| panic!("{index} of a burst: {error}")).body, b"Hello, world!");
    }
    lan.assert_few_warnings(20);
}

#[test]
fn resets_and_losses_over_ipv6() {
    let lan = start(|qemu| qemu.option("services=echo"));
    let connection = host(&lan, 2).connect(7);
    assert!(connection.is_opened(LIMIT));
    // In the window, but not exact (RFC 5961, 3.2 and 4.2): challenged.
    for (flags, offset) in [(RST, 1000), (SYN, 0), (SYN | ACK, 10), (RST | ACK, 1)] {
        connection.send_raw(|segment| {
            segment.flags = flags;
            segment.seq = segment.seq.wrapping_add(offset);
        });
    }
    connection.send(b"alive?");
    assert_eq!(connection.receive(6, LIMIT).expect("an echo"), b"alive?");
    for every in [50, 20] {
        let mut count = 0;
        lan.lose(move |frame| {
            count += u32::from(frame.bytes.len() > 500);
            frame.bytes.len() > 500 && count % every == 0
        });
        let file = host(&lan, 3).fetch("/files/1mib.bin", seconds(60));
        let file = file.unwrap_or_else(|error| panic!("with one of {every} segments lost: {error}"));
        assert_eq!(sha256(&file.body), sha256(&mebibyte_file()));
    }
}

#[test]
fn paths_with_a_small_mtu_over_ipv6() {
    for (mtu, is_reported) in [(1280_usize, true), (1400, true), (1300, false)] {
        let lan = start(|qemu| qemu);
        let (client, router, link) = (far(&lan, 9), host(&lan, 0xfe), lan.link().clone());
        lan.lose(move |frame| {
            let is_long = frame.tcp().is_some() && frame.bytes.len() - 14 > mtu;
            if is_long && is_reported {
                let rest = u32::try_from(mtu).expect("32 bits").to_be_bytes();
                let packet = packet::icmpv6(v6(&router), GUEST, 2, 0, rest, &frame.bytes[14..]);
                // An error is no longer than the least MTU (RFC 4443, 2.4).
                link.send(ethernet(GUEST_MAC, router.mac(), IPV6, &packet[..packet.len().min(1280)]));
            }
            is_long
        });
        let file = client.fetch("/files/1mib.bin", seconds(60));
        let file = file.unwrap_or_else(|error| panic!("path MTU {mtu}, reported {is_reported}: {error}"));
        assert_eq!(sha256(&file.body), sha256(&mebibyte_file()));
    }
}

#[test]
fn datagrams_over_ipv6() {
    let lan = start(|qemu| qemu.option("services=all"));
    let echoed = |host: &Host, port: u16, data: &[u8]| {
        let mark = lan.mark();
        host.send_udp(port, 7, data);
        lan.wait_for(mark, seconds(3), |frame| (frame.udp()?.2 == data).then_some(())).is_some()
    };
    let sender = host(&lan, 2);
    assert!(echoed(&sender, 5000, b"before"));
    // A sender whose address is not resolved: its answer waits, others go on.
    let silent =
        Host::new(lan.link(), Ipv6Addr::new(0xfd00, 6, 0, 0, 0, 0, 7, 7).into(), [2, 6, 7, 7, 7, 7], GUEST.into());
    (0..100).for_each(|_| silent.send_udp(5000, 7, b"jam"));
    // A burst may be more than the service's buffer takes.
    lan.sleep(Duration::from_millis(300));
    for round in 0..5_u8 {
        assert!(echoed(&sender, 5000, &[b'r', round]), "round {round} beside a silent host");
        lan.sleep(Duration::from_millis(700));
    }
    // Services do not answer services, nor whom no answer reaches.
    let mark = lan.mark();
    for port in [0, 7, 9, 19, 53] {
        (0..3).for_each(|_| sender.send_udp(port, 7, b"loop"));
    }
    for from in [GUEST, Ipv6Addr::LOCALHOST, Ipv6Addr::UNSPECIFIED, ALL_NODES] {
        sender.send(&packet::udp((from, 5000).into(), (GUEST, 7).into(), b"loop"));
        sender.send(&packet::udp((from, 5000).into(), (GUEST, 4321).into(), b"loop"));
    }
    // To all: no echo and no error (RFC 4443, 2.4).
    let all = packet::udp((v6(&sender), 5000).into(), (ALL_NODES, 7).into(), b"loop");
    lan.send(ethernet(ALL_NODES_MAC, sender.mac(), IPV6, &all));
    assert!(echoed(&sender, 5000, b"after"));
    lan.sleep(seconds(1));
    let answers = lan.count_since(mark, |frame| {
        frame.udp().is_some_and(|(_, _, data)| data == b"loop") || frame.icmp().is_some_and(|(kind, ..)| kind == 1)
    });
    assert_eq!(answers, 0, "datagrams that must not be answered were");
    // RFC 4443, 3.1: port unreachable, with as much of the packet as fits, and at a limited rate.
    let mark = lan.mark();
    (0..3000).for_each(|port| sender.send_udp(6000, 10_000 + port, b"a service?"));
    lan.probe(&sender).expect("a page");
    let errors = lan.count_since(mark, |frame| frame.icmp().is_some_and(|(kind, code, _)| (kind, code) == (1, 4)));
    assert!((1..1500).contains(&errors), "{errors} errors for 3,000 datagrams at once");
}

#[test]
fn fragments_over_ipv6() {
    let lan = start(|qemu| qemu.memory("32M"));
    let sender = host(&lan, 2);
    let request = |length: usize| {
        let data = pattern(length);
        // The message without its IPv6 header.
        packet::icmpv6(v6(&sender), GUEST, ECHO_REQUEST, 0, [0, 1, 0, 1], &data)[40..].to_vec()
    };
    let send = |identification: u32, message: &[u8], size: usize, order: fn(&mut Vec<Vec<u8>>)| {
        let count = message.len().div_ceil(size);
        let pieces = message.chunks(size).enumerate();
        let mut fragments: Vec<_> = pieces
            .map(|(index, piece)| fragment(v6(&sender), identification, index * size, index + 1 < count, piece))
            .collect();
        order(&mut fragments);
        fragments.iter().for_each(|fragment| sender.send(fragment));
    };
    for (number, length) in [(1, 0), (2, 56), (3, 1400), (4, 1500), (5, 4000), (6, 8000), (7, 60_000)] {
        let mark = lan.mark();
        send(number, &request(length), 1232, |_| {});
        let answer = reply(&lan, mark, length, LIMIT).unwrap_or_else(|| panic!("no reply to {length} bytes"));
        assert!(answer == pattern(length), "other data came back from a ping of {length} bytes");
    }
    let mark = lan.mark();
    send(8, &request(3000), 800, |fragments| fragments.reverse());
    assert!(reply(&lan, mark, 3000, LIMIT).is_some_and(|answer| answer == pattern(3000)), "in reverse order");
    // RFC 5722, 4: of a packet with an overlap, nothing is used.
    let message = request(1600);
    let mark = lan.mark();
    sender.send(&fragment(v6(&sender), 9, 0, true, &message[..800]));
    sender.send(&fragment(v6(&sender), 9, 400, true, &[0xee; 400]));
    sender.send(&fragment(v6(&sender), 9, 800, false, &message[800..]));
    assert!(reply(&lan, mark, 1600, seconds(1)).is_none(), "a reply to overlapping fragments");
    // Floods of fragments whose packets never become whole.
    let before = lan.heap_bytes();
    for index in 0..20_000_u32 {
        let offset = [0, 8, 65_528, 1480, 60_000][index as usize % 5];
        let data = pattern([8, 64, 600, 1400][index as usize % 4]);
        let from = host(&lan, 2 + u16::try_from(index % 50).expect("below 50"));
        from.send(&fragment(v6(&from), index, offset, index % 7 != 0, &data));
    }
    lan.probe(&sender).expect("a page after 20,000 fragments");
    let grown = lan.heap_bytes() - before;
    assert!(grown < 600_000.0, "the heap grew by {grown} bytes");
    let mark = lan.mark();
    send(10, &request(3000), 1232, |_| {});
    assert!(reply(&lan, mark, 3000, LIMIT).is_some(), "no reply after the flood");
}

/// Returns a neighbour advertisement (RFC 4861, 4.4) with this Ethernet address, that overrides.
fn advertisement(source: Ipv6Addr, to: Ipv6Addr, target: Ipv6Addr, mac: Mac, flags: u8) -> Vec<u8> {
    let data = [&target.octets()[..], &[2, 1], &mac].concat();
    packet::icmpv6(source, to, 136, 0, [flags, 0, 0, 0], &data)
}

#[test]
fn forged_advertisements_over_ipv6() {
    let lan = start(|qemu| qemu.option("services=echo"));
    let (router, client) = (host(&lan, 0xfe), far(&lan, 5));
    lan.probe(&client).expect("a page for a far client");
    let connection = client.connect_with(7, Behaviour::default());
    assert!(connection.is_opened(LIMIT));
    let attacker: Mac = [2, 0xbb, 0, 0, 0, 1];
    let gateway = v6(&router);
    for round in 0..20_u8 {
        let mac = [2, 0xbb, 0, 0, 0, round];
        // Unsolicited, to all and to the guest alone, and from another address; a solicitation that has the address, too.
        lan.send(ethernet(ALL_NODES_MAC, mac, IPV6, &advertisement(gateway, ALL_NODES, gateway, mac, 0xa0)));
        lan.send(ethernet(GUEST_MAC, mac, IPV6, &advertisement(gateway, GUEST, gateway, mac, 0xe0)));
        let data = [&GUEST.octets()[..], &[1, 1], &mac].concat();
        lan.send(ethernet(GUEST_MAC, mac, IPV6, &packet::icmpv6(gateway, GUEST, 135, 0, [0; 4], &data)));
        connection.send(b"echo");
        let echo = connection.receive(4, seconds(5));
        assert!(echo.is_ok(), "round {round} of forged advertisements: {:?}", connection.phase());
    }
    lan.probe(&client).expect("a page after the forged advertisements");
    // Advertisements of neighbours and routers that are not there.
    let before = lan.heap_bytes();
    for index in 0..5000_u16 {
        let [high, low] = index.to_be_bytes();
        let (source, mac) = (Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 9, index), [2, 9, 9, 9, high, low]);
        let data = [&GUEST.octets()[..], &[1, 1], &mac].concat();
        lan.send(ethernet(GUEST_MAC, mac, IPV6, &packet::icmpv6(source, GUEST, 135, 0, [0; 4], &data)));
        // A prefix of its own with each router (RFC 4861, 4.2 and 4.6.2).
        let prefix = [0x20, 1, 0xd, 0xb8, 9, 9, high, low, 0, 0, 0, 0, 0, 0, 0, 0];
        let lifetimes = [0, 0, 0xe, 0x10, 0, 0, 0xe, 0x10, 0, 0, 0, 0];
        let option = [&[3, 4, 64, 0xc0][..], &lifetimes, &prefix].concat();
        let data = [&[0; 8][..], &option, &[1, 1], &mac].concat();
        let packet = packet::icmpv6(source, ALL_NODES, 134, 0, [64, 0, 7, 8], &data);
        lan.send(ethernet(ALL_NODES_MAC, attacker, IPV6, &packet));
    }
    connection.send(b"echo");
    assert!(connection.receive(4, seconds(10)).is_ok(), "after the flood: {:?}", connection.phase());
    lan.probe(&host(&lan, 2)).expect("a page after the flood");
    let grown = lan.heap_bytes() - before;
    assert!(grown < 300_000.0, "the heap grew by {grown} bytes");
    lan.assert_few_warnings(60);
}
