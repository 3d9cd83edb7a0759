//! Guests with two cards: on two networks, and twice on one.

use core::net::IpAddr;

use switchboard_tests::lan::{GUEST_MAC, Host, LIMIT, Lan, Link, Mac};

use crate::far;

const SECOND_MAC: Mac = [0x52, 0x54, 0, 0x12, 0x34, 0x57];

fn address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn hello(host: &Host) {
    let page = host.fetch("/hello", LIMIT).expect("a page");
    assert_eq!(page.body, b"Hello, world!");
}

/// Boots a guest with a card on each of two links, and returns a host that answers on the second link.
fn start(options: &str, second: &str) -> (Lan, Host) {
    let link = Link::new();
    let own = address("10.0.0.77");
    let IpAddr::V4(first) = own else { panic!("IPv4") };
    let lan = Lan::boot_on(Link::new(), first, |qemu| qemu.nic_on(&link, "e1000", SECOND_MAC).option(options));
    lan.guest.wait_for("address 10.0.0.77/24 by command line");
    lan.guest.wait_for(&format!("address {second}/24 by command line"));
    let mut host = second.parse::<core::net::Ipv4Addr>().expect("an address").octets();
    host[3] = 253;
    (lan, Host::new(&link, IpAddr::from(host), [2, 0, 0, 0, 0, 253], address(second)).to_card(SECOND_MAC).answering())
}

#[test]
fn two_networks_have_addresses_and_routes_of_their_own() {
    let options = "ip=10.0.0.77/24,10.0.0.254 ip1=10.1.0.77/24,192.0.2.0/24>10.1.0.253";
    let (lan, other) = start(options, "10.1.0.77");
    let host = lan.host(2);
    hello(&host);
    hello(&other);
    // By the default route of the first card, and by the static route of the second.
    hello(&lan.host(254).behind(far(7)));
    hello(&Host::clone(&other).behind(address("192.0.2.9")));
    hello(&host);
    lan.guest.wait_for("route 192.0.2.0/24 by 10.1.0.253");
    let of_second = lan.count_since(0, |frame| frame.source == SECOND_MAC);
    let to_second = lan.count_since(0, |frame| frame.source == GUEST_MAC && frame.destination == SECOND_MAC);
    assert_eq!((of_second, to_second), (0, 0), "the networks stay apart");
}

#[test]
fn answers_leave_on_the_card_of_the_request_when_both_are_on_one_network() {
    let (lan, other) = start("ip=10.0.0.77/24 ip1=10.0.0.78/24", "10.0.0.78");
    let host = lan.host(2);
    for _ in 0..3 {
        hello(&host);
        hello(&other);
    }
    assert_eq!(lan.count_since(0, |frame| frame.source == SECOND_MAC), 0);
}
