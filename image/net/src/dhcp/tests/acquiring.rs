//! From INIT to BOUND, and the parameters of a lease.

use super::*;

#[test]
fn an_address_is_requested_from_the_server_that_offered_it() {
    let test = Test::bound();
    let [discover, request] = &test.sent[..] else { panic!("{:?}", test.sent) };
    assert_eq!((discover.message_type, discover.requested, discover.server), (1, None, None));
    assert_eq!((request.message_type, request.requested, request.server), (3, Some(ADDRESS), Some(SERVER)));
    assert_eq!(discover.transaction_id, request.transaction_id);
    for sent in &test.sent {
        assert_eq!((sent.own, sent.source), (Ipv4Addr::UNSPECIFIED, Ipv4Addr::UNSPECIFIED));
        assert_eq!(sent.destination, Ipv4Addr::BROADCAST);
    }
    let config = test.config.expect("a configuration");
    assert_eq!(config.addresses[0].to_string(), "10.0.0.7/24");
    // The first of two routers.
    assert_eq!((config.ipv4_gateway(), config.routes.len()), (Some(SERVER), 1));
}

#[test]
fn discovers_are_repeated_with_exponential_back_off_and_jitter_for_ever() {
    let mut test = Test::new();
    test.pass(3600);
    assert!(test.sent.iter().all(|sent| sent.message_type == 1));
    let gaps: Vec<_> = test.sent.windows(2).map(|pair| (pair[1].at - pair[0].at).total_millis()).collect();
    for (gap, expected) in
        gaps.iter().zip([4000_u64, 8000, 16_000, 32_000, 64_000].into_iter().chain(core::iter::repeat(64_000)))
    {
        assert!(gap.abs_diff(expected) <= 1000, "{gaps:?}");
    }
    assert!(gaps.iter().any(|gap| gap % 1000 != 0) && gaps.len() > 50, "{gaps:?}");
    // Reported once, after about 12 seconds.
    assert_eq!(test.without_server, 1);
    // A server that comes back is used.
    test.bind(&Answer::new(OFFER), &Answer::new(ACK));
}

#[test]
fn a_request_without_an_answer_is_repeated_and_then_discovered_anew() {
    let mut test = Test::new();
    test.answer(&Answer::new(OFFER));
    test.pass(40);
    assert_eq!(test.types()[..5], [1, 3, 3, 3, 1]);
    assert!(test.config.is_none());
}

#[test]
fn all_parameters_are_taken() {
    let mut test = Test::new();
    let options = [
        &[code::SUBNET_MASK, 4, 255, 255, 0, 0][..],
        &[code::DNS_SERVER, 12, 127, 0, 0, 1, 10, 0, 0, 53, 10, 0, 0, 54],
        b"\x0f\x0blab.example",
        b"\x77\x0d\x03eng\x03lab\x00\x01a\xc0\x04",
        &[code::NTP_SERVER, 4, 10, 0, 0, 123],
        b"\x0c\x0bboard7.lab\x00",
        &[code::MTU, 2, 5, 0x78],
    ];
    let ack = Answer::new(ACK).options(&options.concat());
    test.bind(&Answer::new(OFFER), &ack);
    let config = test.config.as_ref().expect("a configuration");
    assert_eq!(config.addresses[0].to_string(), "10.0.0.7/16");
    assert_eq!(config.dns_servers, [IpAddr::from([10, 0, 0, 53]), [10, 0, 0, 54].into()]);
    assert_eq!(config.ntp_servers, [IpAddr::from([10, 0, 0, 123])]);
    assert_eq!((config.hostname.as_deref(), config.mtu), (Some("board7"), Some(1400)));
    assert_eq!((config.routes.len(), &config.search_domains[0][..]), (0, "eng.lab"));
}

#[test]
fn classless_routes_replace_the_router() {
    let mut test = Test::new();
    let options =
        [&MASK_AND_ROUTERS[..], &[code::CLASSLESS_ROUTES, 13, 0, 10, 0, 0, 3, 16, 10, 9, 10, 0, 0, 4, 0, 0]].concat();
    // Malformed, so the router counts.
    test.bind(&Answer::new(OFFER), &Answer::new(ACK).options(&options));
    assert_eq!(test.config.as_ref().and_then(InterfaceConfig::ipv4_gateway), Some(SERVER));

    let mut test = Test::new();
    let options =
        [&MASK_AND_ROUTERS[..], &[code::CLASSLESS_ROUTES, 12, 0, 10, 0, 0, 3, 16, 10, 9, 10, 0, 0, 4]].concat();
    test.bind(&Answer::new(OFFER), &Answer::new(ACK).options(&options));
    let config = test.config.as_ref().expect("a configuration");
    assert_eq!(config.ipv4_gateway(), Some([10, 0, 0, 3].into()));
    assert_eq!(config.routes[1].to_string(), "10.9.0.0/16 by 10.0.0.4");
}

#[test]
fn parameters_that_no_host_can_use_are_left_out() {
    let mut test = Test::new();
    let options = [
        &[code::SUBNET_MASK, 4, 255, 0, 255, 0, code::ROUTER, 4, 10, 0, 0, 7][..],
        &[code::MTU, 2, 0, 68, code::DNS_SERVER, 3, 1, 2, 3, code::NTP_SERVER, 4, 255, 255, 255, 255],
        b"\x0f\x03a b\x0c\x02\n\n",
    ];
    test.bind(&Answer::new(OFFER), &Answer::new(ACK).options(&options.concat()));
    let address = test.config.as_ref().expect("a configuration").addresses[0];
    // The mask of its class.
    assert_eq!(address.to_string(), "10.0.0.7/8");
    let rest = InterfaceConfig { addresses: Vec::new(), ..test.config.expect("a configuration") };
    assert_eq!(rest, InterfaceConfig::default());
}
