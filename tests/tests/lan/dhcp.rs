//! DHCP as RFC 2131 has it, with servers that behave and servers that do not.

use core::net::Ipv4Addr;
use core::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;

use switchboard_tests::lan::packet::{ARP, BROADCAST, arp, ethernet};
use switchboard_tests::lan::{DhcpReply, DhcpRequest, DhcpServer, GUEST_MAC, Host, LIMIT, Lan, Link, Mac, MessageType};

use crate::{far, seconds};

const SERVER: (Mac, Ipv4Addr) = ([2, 0, 0, 0, 0, 254], Ipv4Addr::new(10, 0, 0, 254));
const GUEST: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 77);
const ROUTER: [u8; 4] = [10, 0, 0, 254];

/// Boots a guest whose DHCP server answers so.
fn start(answer: impl FnMut(&DhcpRequest, usize) -> Vec<DhcpReply> + Send + 'static) -> (Lan, DhcpServer) {
    let link = Link::new();
    let server = DhcpServer::start(&link, SERVER, answer);
    (Lan::boot_on(link, GUEST, switchboard_tests::Qemu::files), server)
}

/// Answers as a good server does.
fn good(request: &DhcpRequest, seconds: u32) -> Vec<DhcpReply> {
    request.grant(GUEST, seconds).map(|reply| reply.network(ROUTER)).into_iter().collect()
}

#[test]
fn a_lease_is_taken_with_all_its_options() {
    let (lan, server) = start(|request, _| {
        let reply = request.grant(GUEST, 3600).map(|reply| {
            reply
                .addresses(1, &[[255, 255, 255, 0]])
                // Several routers: the first counts (RFC 2132, 3.5).
                .addresses(3, &[ROUTER, [10, 0, 0, 253]])
                .addresses(6, &[[10, 0, 0, 53], [10, 0, 0, 54]])
                .addresses(42, &[[10, 0, 0, 123]])
                .option(12, b"named-by-dhcp")
                .option(15, b"example.org")
                .option(26, &1400_u16.to_be_bytes())
        });
        reply.into_iter().collect()
    });
    lan.guest.wait_for("address 10.0.0.77/24 by dhcp");
    lan.guest.wait_for("gateway 10.0.0.254");
    lan.guest.wait_for("dns 10.0.0.53, 10.0.0.54");
    lan.guest.wait_for("ntp 10.0.0.123");
    let client = Host::clone(&lan.host(254)).behind(far(7));
    lan.probe(&client).expect("a page through the gateway");
    // The MTU of the network holds for what is sent.
    let file = lan.host(2).fetch("/files/1mib.bin", LIMIT).expect("a file");
    assert_eq!(file.body.len(), 1 << 20);
    let longest = lan.frames_since(0).iter().filter_map(|frame| frame.ip).map(|ip| ip.length).max();
    assert_eq!(longest, Some(1400), "the longest packet at an MTU of 1,400");
    assert_eq!((server.count(MessageType::Discover), server.count(MessageType::Request)), (1, 1));
}

#[test]
fn bad_servers_cause_few_packets_and_a_good_one_is_taken_in_the_end() {
    let phase = Arc::new(AtomicUsize::new(0));
    let current = phase.clone();
    let (lan, server) = start(move |request, _| match current.load(Ordering::Relaxed) {
        // A lease of no time.
        0 => good(request, 0),
        // A refusal of each request.
        1 if request.kind == MessageType::Request => vec![request.reply(MessageType::Nak)],
        1 => good(request, 3600),
        // Addresses that no host can have, and answers to another.
        2 => ["127.0.0.1", "240.0.0.1", "255.255.255.255", "0.0.0.0", "224.0.0.1"]
            .into_iter()
            .filter_map(|address| request.grant(address.parse().expect("an address"), 3600))
            .map(|reply| reply.network(ROUTER))
            .chain(request.grant(GUEST, 3600).map(|reply| reply.xid([1, 2, 3, 4])))
            .collect(),
        // Options that are cut off, empty or of a wrong length.
        3 => vec![
            request.reply(MessageType::Offer).address(GUEST).option(51, &[1]),
            request.reply(MessageType::Ack).address(GUEST).option(1, &[255]).option(51, &[]),
            request.reply(MessageType::Ack).address(GUEST).option(3, &[1, 2, 3, 4, 5]).option(121, &[33; 9]),
        ],
        _ => good(request, 3600),
    });
    for (number, name) in ["leases of 0 s", "refusals", "impossible addresses", "malformed options"].iter().enumerate()
    {
        phase.store(number, Ordering::Relaxed);
        let before = server.requests().len();
        lan.sleep(seconds(4));
        let sent = server.requests().len() - before;
        assert!(sent <= 20, "{sent} messages in 4 s because of {name}");
        let wrong = lan.console_lines("by dhcp").into_iter().filter(|line| !line.contains("10.0.0.77")).count();
        assert_eq!(wrong, 0, "an address by {name}");
    }
    phase.store(4, Ordering::Relaxed);
    let taken = lan.guest.console().wait_for_nth("address 10.0.0.77/24 by dhcp", 1, seconds(80));
    assert!(taken.is_some(), "the lease of a good server");
    lan.probe(&lan.host(2)).expect("a page");
    lan.assert_few_warnings(12);
}

#[test]
fn renewals_without_options_keep_the_configuration() {
    let (lan, server) = start(|request, _| match request.is_renewal() {
        // RFC 2131, 4.3.2: a server may answer a renewal with the lease time alone.
        true => request.grant(GUEST, 6).into_iter().collect(),
        false => good(request, 6),
    });
    lan.guest.wait_for("address 10.0.0.77/24 by dhcp");
    let connection = lan.host(254).behind(far(7)).connect(80);
    connection.request("/hello", LIMIT).expect("a page");
    lan.sleep(seconds(10));
    connection.request("/hello", LIMIT).expect("a page on the same connection, after the first lease's end");
    lan.probe(&lan.host(254).behind(far(8))).expect("a page through the gateway");
    assert!(server.requests().iter().any(DhcpRequest::is_renewal));
    assert_eq!(server.count(MessageType::Discover), 1);
    assert_eq!(lan.console_lines("lost").len(), 0);
    assert!(server.requests().len() <= 20, "{} messages in 10 s", server.requests().len());
}

#[test]
fn a_server_that_comes_back_renews_or_gives_a_new_lease() {
    let is_silent = Arc::new(AtomicUsize::new(0));
    let silence = is_silent.clone();
    let (lan, server) =
        start(move |request, _| if silence.load(Ordering::Relaxed) == 0 { good(request, 8) } else { Vec::new() });
    lan.guest.wait_for("address 10.0.0.77/24 by dhcp");
    let host = lan.host(2);
    let connection = host.connect(80);
    connection.request("/hello", LIMIT).expect("a page");
    // Silent beyond the first renewal, and back before the lease ends.
    is_silent.store(1, Ordering::Relaxed);
    lan.sleep(seconds(5));
    is_silent.store(0, Ordering::Relaxed);
    lan.sleep(seconds(6));
    connection.request("/hello", LIMIT).expect("a page on the same connection");
    assert_eq!(lan.console_lines("lost").len(), 0);
    // Silent for longer than the lease: the address goes, and comes back with the server.
    is_silent.store(1, Ordering::Relaxed);
    lan.guest.wait_for("10.0.0.77/24 lost");
    let sent = server.requests().len();
    lan.sleep(seconds(3));
    assert!(server.requests().len() - sent <= 10, "messages while there is no server");
    is_silent.store(0, Ordering::Relaxed);
    let again = lan.guest.console().wait_for_nth("address 10.0.0.77/24 by dhcp", 2, seconds(80));
    assert!(again.is_some(), "the address comes back");
    lan.probe(&host).expect("a page");
}

#[test]
fn leases_of_seconds_are_kept() {
    let (lan, server) = start(|request, _| good(request, 2));
    lan.guest.wait_for("address 10.0.0.77/24 by dhcp");
    let connection = lan.host(2).connect(80);
    for _ in 0..6 {
        connection.request("/hello", LIMIT).expect("a page on the same connection");
        lan.sleep(seconds(1));
    }
    assert!(server.requests().len() <= 30, "{} messages in 6 s", server.requests().len());
}

#[test]
fn an_address_that_another_host_has_is_declined() {
    let taken = Ipv4Addr::new(10, 0, 0, 66);
    let has_declined = Arc::new(AtomicUsize::new(0));
    let declined = has_declined.clone();
    let (lan, server) = start(move |request, _| {
        if request.kind == MessageType::Decline {
            declined.store(1, Ordering::Relaxed);
        }
        // RFC 2131, 4.3.1: after the DECLINE the server gives another address.
        let address = if declined.load(Ordering::Relaxed) == 0 { taken } else { GUEST };
        request.grant(address, 3600).map(|reply| reply.network(ROUTER)).into_iter().collect()
    });
    let _other = lan.host(66);
    let address = lan.guest.console().wait_for("address 10.0.0.77/24 by dhcp", seconds(60));
    assert!(address.is_some(), "another address");
    assert_eq!(server.count(MessageType::Decline), 1);
    assert!(server.requests().len() < 20);
    lan.probe(&lan.host(2)).expect("a page");
    assert!(!lan.console_lines("10.0.0.66").is_empty(), "a line about the conflict");
}

#[test]
fn no_server_is_reported_and_one_that_starts_later_is_used() {
    let is_up = Arc::new(AtomicUsize::new(0));
    let up = is_up.clone();
    let (lan, server) =
        start(move |request, _| if up.load(Ordering::Relaxed) == 0 { Vec::new() } else { good(request, 3600) });
    // A line that states it, or a link-local address (RFC 3927).
    let said = lan.guest.console().wait_for("no DHCP server", seconds(60));
    assert!(said.is_some(), "a line that no server answers");
    assert!(server.requests().len() <= 20, "{} messages", server.requests().len());
    is_up.store(1, Ordering::Relaxed);
    let taken = lan.guest.console().wait_for("address 10.0.0.77/24 by dhcp", seconds(80));
    assert!(taken.is_some(), "the lease of the late server");
    lan.probe(&lan.host(2)).expect("a page");
}

#[test]
fn a_prefix_of_32_bits_and_static_routes_work() {
    let (lan, _server) = start(|request, _| {
        let reply = request.grant(GUEST, 3600).map(|reply| {
            let reply = reply.addresses(1, &[[255; 4]]).addresses(3, &[ROUTER]);
            // RFC 3442: 192.0.2.0/24 by 10.0.0.253, which is on the link, and the default again.
            let routes = [&[24, 192, 0, 2, 10, 0, 0, 253, 32, 10, 0, 0, 253, 0, 0, 0, 0, 0][..], &ROUTER].concat();
            reply.option(121, &routes)
        });
        reply.into_iter().collect()
    });
    lan.guest.wait_for("address 10.0.0.77/32 by dhcp");
    lan.probe(&lan.host(254).behind(far(7))).expect("a page through the gateway");
    let other = lan.host(253);
    lan.probe(&other.behind(Ipv4Addr::new(192, 0, 2, 9))).expect("a page through the other router");
    let to_other = lan.count_since(0, |frame| frame.tcp().is_some() && frame.destination == other.mac());
    assert!(to_other >= 2, "{to_other} segments through the router of the static route");
}

#[test]
fn a_link_that_flaps_keeps_address_and_connections() {
    for server in [true, false] {
        let lan = if server {
            let lan = start(|request, _| good(request, 3600)).0;
            lan.guest.wait_for("address 10.0.0.77/24 by dhcp");
            lan
        } else {
            Lan::start("10.0.0.77/24", |qemu| qemu)
        };
        let connection = lan.host(2).connect(80);
        connection.request("/hello", LIMIT).expect("a page");
        for millis in [20, 300, 1500] {
            connection.send(b"GET /files/1mib.bin HTTP/1.1\r\nHost: x\r\n\r\n");
            lan.guest.monitor("set_link net0 off");
            lan.sleep(core::time::Duration::from_millis(millis));
            lan.guest.monitor("set_link net0 on");
            let whole = connection.wait(seconds(40), |connection| {
                connection.received.ends_with(b"000000000065535\n") && connection.received.len() > 1 << 20
            });
            assert!(whole, "with DHCP {server}, after {millis} ms: {:?}", connection.phase());
            connection.with(|connection| connection.received.clear());
        }
        assert_eq!(lan.console_lines(" lost").len(), 0, "{:?}", lan.console_lines(" lost"));
        lan.probe(&lan.host(3)).expect("a page for another host");
    }
}

#[test]
fn conflicts_are_probed_for_announced_and_defended() {
    let (lan, _server) = start(|request, _| good(request, 3600));
    lan.guest.wait_for("address 10.0.0.77/24 by dhcp");
    lan.probe(&lan.host(2)).expect("a page");
    // RFC 5227, 2.1.1 and 2.3. The address is used before the last of these is sent.
    let about_it = |frame: &switchboard_tests::lan::Frame| frame.arp().filter(|message| message.target == GUEST);
    lan.wait_for(0, LIMIT, |frame| about_it(frame).filter(|message| message.sender.is_unspecified())).expect("a probe");
    lan.wait_for(0, LIMIT, |frame| about_it(frame).filter(|message| message.sender == GUEST)).expect("an announcement");
    // Another host announces the address: it is defended, once in 10 s (RFC 5227, 2.4), and a line states it.
    let other: Mac = [2, 0, 0, 0, 0, 0x99];
    let mark = lan.mark();
    for _ in 0..5 {
        lan.send(ethernet(BROADCAST, other, ARP, &arp(1, (other, GUEST), ([0; 6], GUEST))));
    }
    let defended = |frame: &switchboard_tests::lan::Frame| {
        let message = frame.arp()?;
        (message.sender == GUEST && message.target == GUEST && message.sender_mac == GUEST_MAC).then_some(())
    };
    lan.wait_for(mark, LIMIT, defended).expect("a defence");
    lan.sleep(seconds(1));
    let defences = lan.frames_since(mark).iter().filter_map(defended).count();
    assert!(defences <= 2, "{defences} defences in a second");
    let lines = lan.guest.console().wait_for("02:00:00:00:00:99", LIMIT);
    assert!(lines.is_some(), "a line with the other host's Ethernet address");
    lan.assert_few_warnings(5);
}
