//! Link-local IPv4 addresses (RFC 3927) on the wire.

use core::net::IpAddr;

use switchboard_net::AddressSource;
use switchboard_net_testing::{TestLan, frames};

const OTHER: [u8; 6] = [2, 0, 0, 0, 0, 9];

/// Returns the IPv4 address of the stack.
fn address(lan: &TestLan) -> Option<[u8; 4]> {
    match lan.state().config().ipv4_address()?.address {
        IpAddr::V4(address) => Some(address.octets()),
        IpAddr::V6(_) => None,
    }
}

#[test]
fn an_address_is_probed_for_and_another_one_taken_after_a_conflict() {
    let mut lan = TestLan::new(AddressSource::LinkLocal);
    let first = address(&lan).expect("an address");
    assert_eq!(first[..2], [169, 254]);
    let asked: Vec<_> = lan.pass(5).iter().filter_map(|frame| frames::arp_of(frame)).collect();
    assert!(asked.contains(&(1, [0; 4], first)), "no probe: {asked:?}");
    // Its owner answers the probe.
    lan.send(&frames::arp_reply(OTHER, first, TestLan::MAC, [0; 4]));
    let asked: Vec<_> = lan.pass(5000).iter().filter_map(|frame| frames::arp_of(frame)).collect();
    let second = address(&lan).expect("another address");
    assert_ne!(second, first);
    assert!(asked.contains(&(1, [0; 4], second)) && asked.contains(&(1, second, second)), "{asked:?}");
    // From then on it is defended (RFC 3927, 2.5).
    lan.send(&frames::arp_request(OTHER, second, second));
    let asked: Vec<_> = lan.pass(20).iter().filter_map(|frame| frames::arp_of(frame)).collect();
    assert!(asked.contains(&(1, second, second)), "{asked:?}");
    assert_eq!(address(&lan), Some(second));
}

#[test]
fn an_interface_without_ipv4_sends_no_arp_and_no_discovery() {
    let mut lan = TestLan::new(AddressSource::Off);
    let sent = lan.pass(20_000);
    let is_ipv4 = |frame: &&Vec<u8>| frame[12..14] == [8, 0] || frame[12..14] == [8, 6];
    assert_eq!(sent.iter().filter(is_ipv4).count(), 0);
    assert_eq!(address(&lan), None);
}
