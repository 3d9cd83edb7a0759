//! Multicast groups of UDP sockets (RFC 1112; RFC 3376; RFC 3810).

use core::net::IpAddr;

use super::*;

const GROUP: [u8; 4] = [239, 1, 2, 3];
const GROUP_MAC: [u8; 6] = [1, 0, 0x5e, 1, 2, 3];
/// ff02::1:3.
const GROUP6: [u8; 16] = [0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 3];

/// Returns the types of the records for the group in reports of IGMPv3, which go to 224.0.0.22.
fn reports(frames: &[Vec<u8>]) -> Vec<u8> {
    let messages = frames.iter().filter(|frame| frame[12..14] == [8, 0] && frame[23] == 2 && frame[33] == 22);
    // Behind a header with the router alert.
    let records = messages.flat_map(|frame| frame[38 + 8..].chunks_exact(8));
    records.filter(|record| record[4..] == GROUP).map(|record| record[0]).collect()
}

/// As [`reports`], of MLDv2.
fn reports6(frames: &[Vec<u8>]) -> Vec<u8> {
    let messages = frames.iter().filter(|frame| frame[12..14] == [0x86, 0xdd] && frame.get(62) == Some(&143));
    let records = messages.flat_map(|frame| frame[62 + 8..].chunks_exact(20));
    records.filter(|record| record[4..] == GROUP6).map(|record| record[0]).collect()
}

/// A socket that answers what it receives.
fn answerer(lan: &TestLan, port: u16) -> Rc<UdpSocket> {
    let socket = Rc::new(UdpSocket::bind(lan.stack(), port, 8, 4096).expect("a socket"));
    let receiver = socket.clone();
    lan.group().add(async move {
        let mut buffer = [0; 100];
        while let Ok((length, from)) = receiver.receive(&mut buffer).await {
            receiver.send(&buffer[..length], from).await.expect("room");
        }
    });
    socket
}

#[test]
fn a_group_is_reported_received_and_left() {
    let (mut lan, host) = (lan(), Host::new(9));
    host.introduce(&mut lan);
    let (member, other) = (answerer(&lan, 5000), answerer(&lan, 5001));
    let ask = |lan: &mut TestLan, port: u16| {
        let packet = frames::udp(host.address, 40_000, GROUP, port, b"hello");
        lan.send(&frames::ipv4_frame(host.mac, GROUP_MAC, &packet));
        let answers = lan.pass(5);
        assert!(answers.iter().all(|frame| !matches!(frames::payload_of(frame), Some((1, _)))), "an error");
        datagrams(&answers, host).len()
    };
    assert_eq!(ask(&mut lan, 5000), 0, "no socket is in the group");
    assert_eq!(member.join(host.address.into()), Err(switchboard_net::SocketError::NotMulticast));
    member.join(GROUP.into()).expect("room");
    assert_eq!(reports(&lan.pass(1500)), [4, 4], "a change to exclude nothing, twice");
    assert_eq!((ask(&mut lan, 5000), ask(&mut lan, 5001)), (1, 0));
    // A query of a router is answered (RFC 3376, 5.2).
    let mut query = vec![0x11, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    query[2..4].copy_from_slice(&[0xee, 0xf5]);
    let packet = frames::ipv4(ROUTER, [224, 0, 0, 1], 2, &query);
    lan.send(&frames::ipv4_frame(ROUTER_MAC, [1, 0, 0x5e, 0, 0, 1], &packet));
    assert_eq!(reports(&lan.pass(1500)), [2]);
    // The group is left with its last socket.
    other.join(GROUP.into()).expect("room");
    member.leave(GROUP.into());
    assert!(reports(&lan.pass(1500)).is_empty());
    assert_eq!((ask(&mut lan, 5000), ask(&mut lan, 5001)), (0, 1));
    other.leave(GROUP.into());
    assert_eq!(reports(&lan.pass(1500)), [3]);
    assert_eq!((ask(&mut lan, 5000), ask(&mut lan, 5001)), (0, 0));
}

#[test]
fn dropping_a_socket_leaves_its_groups_and_there_is_room_for_eight() {
    let mut lan = lan();
    let group = |last: u8| IpAddr::from([239, 1, 2, last]);
    for _ in 0..3 {
        let socket = UdpSocket::bind(lan.stack(), 5000, 4, 4096).expect("a socket");
        for last in 1..=8 {
            socket.join(group(last)).expect("room");
            socket.join(group(last)).expect("it is there");
        }
        assert_eq!(socket.join(group(9)), Err(switchboard_net::SocketError::TooManyGroups));
        lan.pass(1500);
        drop(socket);
        assert_eq!(reports(&lan.pass(1500)), [3]);
    }
}

#[test]
fn datagrams_to_a_group_stay_on_the_link_unless_more_hops_are_set() {
    let mut lan = lan();
    let socket = Rc::new(UdpSocket::bind(lan.stack(), 5000, 4, 4096).expect("a socket"));
    for (hops, expected) in [(None, 1), (Some(9), 9)] {
        hops.inspect(|hops| socket.set_multicast_hops(*hops));
        for group in [IpAddr::from(GROUP), GROUP6.into()] {
            let sender = socket.clone();
            lan.group().add(async move { sender.send(b"hello", (group, 5000).into()).await.expect("room") });
            let sent = lan.pass(3);
            let frame = sent.first().expect("a frame");
            let (mac, found) =
                if group.is_ipv4() { (GROUP_MAC, frame[22]) } else { ([0x33, 0x33, 0, 1, 0, 3], frame[21]) };
            assert_eq!((&frame[..6], found), (&mac[..], expected), "{group}");
        }
    }
}

#[test]
fn a_group_of_ipv6_is_reported_received_and_left() {
    let mut lan = lan();
    let socket = answerer(&lan, 5000);
    let ask = |lan: &mut TestLan| {
        lan.send(&datagram6());
        // The answer needs the Ethernet address of the host: its solicitation is the sign of one.
        lan.pass(5).iter().filter(|frame| frame[12..14] == [0x86, 0xdd] && frame[54] == 135).count()
    };
    assert_eq!(ask(&mut lan), 0);
    socket.join(GROUP6.into()).expect("room");
    assert_eq!(reports6(&lan.pass(1500)), [4, 4]);
    assert_eq!(ask(&mut lan), 1);
    lan.pass(5000);
    socket.leave(GROUP6.into());
    assert_eq!(reports6(&lan.pass(1500)), [3]);
    assert_eq!(ask(&mut lan), 0);
}

/// Returns a datagram from fe80::9, port 40,000, to the group, port 5000.
fn datagram6() -> Vec<u8> {
    let mut packet = [&[0x60, 0, 0, 0, 0, 13, 17, 1, 0xfe, 0x80][..], &[0; 13], &[9], &GROUP6].concat();
    packet.extend([0x9c, 0x40, 0x13, 0x88, 0, 13, 0, 0]);
    packet.extend(b"hello");
    let mut sum: u32 = 13 + 17;
    let words =
        packet[8..].chunks(2).map(|word| u32::from(word[0]) << 8 | u32::from(word.get(1).copied().unwrap_or(0)));
    sum += words.sum::<u32>();
    while sum >> 16 != 0 {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    packet[46..48].copy_from_slice(&(!u16::try_from(sum).expect("folded")).to_be_bytes());
    [&[0x33, 0x33, 0, 1, 0, 3, 2, 0, 0, 0, 0, 9, 0x86, 0xdd][..], &packet].concat()
}

#[test]
fn the_card_receives_the_groups_that_were_joined() {
    let mut lan = lan();
    lan.pass(1);
    // All hosts, all nodes, and the solicited nodes of the link-local address.
    let common = [[1, 0, 0x5e, 0, 0, 1], [0x33, 0x33, 0, 0, 0, 1], [0x33, 0x33, 0xff, 0, 0, 1]];
    let groups = lan.groups();
    assert!(common.iter().all(|group| groups.contains(group)), "{groups:02x?}");
    let (group6_mac, socket) = ([0x33, 0x33, 0, 1, 0, 3], answerer(&lan, 5000));
    assert!(!groups.contains(&GROUP_MAC) && !groups.contains(&group6_mac));
    socket.join(GROUP.into()).expect("room");
    socket.join(IpAddr::from(GROUP6)).expect("room");
    lan.pass(2);
    assert_eq!(lan.groups().len(), groups.len() + 2);
    assert!(lan.groups().contains(&GROUP_MAC) && lan.groups().contains(&group6_mac));
    socket.leave(GROUP.into());
    socket.leave(IpAddr::from(GROUP6));
    lan.pass(2);
    assert_eq!(lan.groups(), groups);
}

#[test]
fn a_requested_announcement_is_sent_once_for_each_protocol() {
    let mut lan = lan();
    lan.pass(5000);
    for _ in 0..2 {
        lan.request_announcement();
        let frames = lan.pass(100);
        let own = TestLan::MAC;
        let arps: Vec<_> = frames.iter().filter_map(|frame| frames::arp_of(frame)).collect();
        assert_eq!(arps, [(1, OURS, OURS)]);
        // An advertisement that overrides what neighbours have stored, to all nodes (RFC 4861, 7.2.6).
        let advertisements: Vec<_> =
            frames.iter().filter(|frame| frame[12..14] == [0x86, 0xdd] && frame[54] == 136).collect();
        assert_eq!(advertisements.len(), 1);
        let [frame] = advertisements[..] else { unreachable!("one") };
        assert_eq!((&frame[..6], frame[58]), (&[0x33, 0x33, 0, 0, 0, 1][..], 0x20));
        assert_eq!(frame[54 + 26..54 + 32], own);
        assert!(lan.pass(5000).iter().all(|frame| frames::arp_of(frame).is_none()));
    }
}
