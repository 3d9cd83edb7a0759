use alloc::vec::Vec;

use super::*;

const MAC: [u8; 6] = [0x52, 0x54, 0, 0x12, 0x34, 0x56];
const WAIT: Duration = Duration::from_secs(1);

fn address(text: &str) -> Ipv6Addr {
    text.parse().expect("an address")
}

fn prefix(text: &str) -> Prefix {
    Prefix::new(address(text), 64)
}

fn seconds(seconds: u32) -> Instant {
    Instant::from_secs(seconds)
}

fn lifetimes(preferred_s: u32, valid_s: u32) -> Lifetimes {
    Lifetimes { preferred_s, valid_s }
}

fn events(addresses: &mut Addresses, now: Instant) -> Vec<AddressEvent> {
    core::iter::from_fn(|| addresses.poll(now, WAIT)).collect()
}

/// Returns addresses whose detection has ended at second 1.
fn link_local() -> Addresses {
    let mut addresses = Addresses::new(MAC);
    addresses.add_link_local(seconds(0));
    events(&mut addresses, seconds(0));
    events(&mut addresses, seconds(1));
    addresses
}

#[test]
fn an_address_is_usable_at_once_and_unique_after_a_second() {
    let mut addresses = Addresses::new(MAC);
    addresses.add_link_local(seconds(0));
    let ours = address("fe80::5054:ff:fe12:3456");
    assert!(addresses.has(&ours) && addresses.link_local().is_some_and(OwnAddress::is_optimistic));
    assert_eq!(events(&mut addresses, seconds(0)), [AddressEvent::Detect(ours)]);
    assert_eq!(addresses.deadline(), seconds(1));
    assert!(matches!(events(&mut addresses, seconds(1))[..], [AddressEvent::Unique(own)] if own.address == ours));
    assert_eq!(addresses.deadline(), NEVER);
}

#[test]
fn a_duplicate_is_replaced_three_times_and_a_unique_address_stays() {
    let mut addresses = Addresses::new(MAC);
    addresses.add_link_local(seconds(0));
    let mut tried = Vec::new();
    while let Some(own) = addresses.link_local().copied() {
        assert!(is_link_local(&own.address) && !tried.contains(&own.address));
        tried.push(own.address);
        assert_eq!(addresses.duplicate(&own.address).map(|removed| removed.address), Some(own.address));
    }
    assert_eq!(tried.len(), 4);
    let mut addresses = link_local();
    assert_eq!(addresses.duplicate(&address("fe80::5054:ff:fe12:3456")), None);
    assert_eq!(addresses.iter().count(), 1);
}

#[test]
fn a_static_duplicate_is_not_replaced() {
    let mut addresses = Addresses::new(MAC);
    addresses.add((address("2001:db8::5"), 64), ConfigSource::CommandLine, Lifetimes::UNLIMITED, seconds(0));
    assert!(addresses.duplicate(&address("2001:db8::5")).is_some());
    assert_eq!(addresses.iter().count(), 0);
}

#[test]
fn valid_lifetimes_are_cut_to_two_hours_at_least() {
    let mut addresses = link_local();
    assert!(addresses.advertised(&prefix("2001:db8::"), lifetimes(10_000, 20_000), seconds(0)));
    let until = |addresses: &Addresses| {
        addresses.iter().find(|own| own.source == ConfigSource::RouterAdvertisement).map(|own| own.valid_until)
    };
    assert_eq!(until(&addresses), Some(seconds(20_000)));
    assert!(!addresses.advertised(&prefix("2001:db8::"), lifetimes(0, 0), seconds(0)));
    assert_eq!(until(&addresses), Some(seconds(7200)), "not at once");
    addresses.advertised(&prefix("2001:db8::"), lifetimes(1, 1), seconds(100));
    assert_eq!(until(&addresses), Some(seconds(7200)), "less than two hours are left: ignored");
    addresses.advertised(&prefix("2001:db8::"), lifetimes(7200, 7200), seconds(100));
    assert_eq!(until(&addresses), Some(seconds(7300)));
    assert!(events(&mut addresses, seconds(7299)).iter().all(|event| !matches!(event, AddressEvent::Expired(_))));
    assert!(matches!(events(&mut addresses, seconds(7300))[..], [AddressEvent::Expired(_)]));
    assert_eq!(until(&addresses), None);
}

#[test]
fn prefixes_that_make_no_address_are_ignored() {
    let mut addresses = link_local();
    for (prefix, lifetimes) in [
        (Prefix::new(address("2001:db8::"), 63), lifetimes(1, 1)),
        (prefix("fe80::"), lifetimes(1, 1)),
        (prefix("ff02::"), lifetimes(1, 1)),
        (prefix("2001:db8::"), lifetimes(2, 1)),
        (prefix("2001:db8::"), lifetimes(0, 0)),
    ] {
        assert!(!addresses.advertised(&prefix, lifetimes, seconds(0)), "{prefix:?} {lifetimes:?}");
    }
    let advertised = (0..100).filter(|n| {
        addresses.advertised(&Prefix::new(Ipv6Addr::new(0x2001, *n, 0, 0, 0, 0, 0, 0), 64), lifetimes(1, 1), seconds(0))
    });
    assert_eq!(advertised.count(), MAX_ADDRESSES - 1);
}

#[test]
fn the_source_has_the_scope_of_the_destination_is_preferred_and_near() {
    let mut addresses = link_local();
    let (far, near) = (address("2001:db8::1"), address("fe80::9"));
    let link_local = address("fe80::5054:ff:fe12:3456");
    assert_eq!(addresses.source_for(&near, seconds(1)), Some(link_local));
    assert_eq!(addresses.source_for(&far, seconds(1)), None, "a link-local address does not leave the link");
    addresses.advertised(&prefix("2001:db8:1::"), lifetimes(100, 200), seconds(1));
    addresses.advertised(&prefix("2001:db8:2::"), lifetimes(100, 200), seconds(1));
    events(&mut addresses, seconds(1));
    events(&mut addresses, seconds(2));
    let source = |addresses: &Addresses, text: &str, now: u32| {
        addresses.source_for(&address(text), seconds(now)).map(|source| source.to_string())
    };
    use alloc::string::ToString;
    assert_eq!(source(&addresses, "2001:db8:2::1", 3).as_deref(), Some("2001:db8:2:0:5054:ff:fe12:3456"));
    assert_eq!(source(&addresses, "2001:db8:1::1", 3).as_deref(), Some("2001:db8:1:0:5054:ff:fe12:3456"));
    assert_eq!(source(&addresses, "ff02::1", 3).as_deref(), Some("fe80::5054:ff:fe12:3456"));
    // The first is renewed and the second deprecated.
    addresses.advertised(&prefix("2001:db8:1::"), lifetimes(1000, 2000), seconds(50));
    assert_eq!(source(&addresses, "2001:db8:2::1", 150).as_deref(), Some("2001:db8:1:0:5054:ff:fe12:3456"));
}
