//! Addresses, routers and DHCPv6.

use super::*;

#[test]
fn the_hop_limit_is_that_of_the_router() {
    let mut link = configured();
    let hop_limit = |link: &mut Link| {
        let ping = ControlFrame::icmpv6(&from_router(GLOBAL), 64, &[128, 0, 0, 0, 0, 1, 0, 2]).expect("it fits");
        link.receive(ping.as_bytes()).1[0][21]
    };
    for (advertised, expected) in [(0, 64), (33, 33), (0, 33), (255, 255)] {
        let mut message = advertisement(0, 1800, "2001:db8::");
        message[4] = advertised;
        link.receive_router("ff02::1", &message);
        assert_eq!((hop_limit(&mut link), link.ipv6.hop_limit()), (expected, expected), "{advertised}");
    }
    link.ipv6.link_changed(true, link.now);
    assert_eq!(link.ipv6.hop_limit(), 64);
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
