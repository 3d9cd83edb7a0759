//! Renewal, expiry, flaps of the link, conflicts.

use super::*;

fn start(test: &Test) -> Instant {
    test.sent[1].at
}

#[test]
fn a_lease_is_renewed_by_its_server_then_by_any_then_ends_exactly() {
    let mut test = Test::bound();
    let begin = start(&test);
    test.pass(3599);
    assert_eq!(test.address(), Some(ADDRESS.into()));
    let renewals: Vec<_> = test.sent[2..].to_vec();
    for sent in &renewals {
        let after = (sent.at - begin).secs();
        let is_rebinding = after >= 3150;
        assert_eq!(sent.destination, if is_rebinding { Ipv4Addr::BROADCAST } else { SERVER }, "{sent:?}");
        assert_eq!((sent.message_type, sent.own, sent.source), (3, ADDRESS, ADDRESS));
        assert_eq!((sent.requested, sent.server), (None, None));
    }
    assert_eq!((renewals[0].at - begin).secs(), 1800);
    assert!(renewals.iter().any(|sent| (sent.at - begin).secs() == 3150));
    assert!((6..30).contains(&renewals.len()), "{}", renewals.len());
    // The end of the lease, to the millisecond: also when there is nothing else to do.
    test.pass_answering(Duration::from_millis(999), |_| None);
    assert_eq!(test.lost, 0);
    test.pass_answering(Duration::from_millis(1), |_| None);
    assert_eq!((test.lost, test.address()), (1, None));
    assert_eq!(test.sent.last().map(|sent| (sent.message_type, sent.at - begin)), Some((1, Duration::from_secs(3600))));
}

#[test]
fn the_status_shows_the_server_and_the_rest_of_the_lease() {
    let mut test = Test::bound();
    for (seconds, state, remaining) in [(600, DhcpState::Bound, 3000), (1300, DhcpState::Renewing, 1700)] {
        test.pass(seconds);
        let status = test.client.status(test.now);
        let lease = status.lease.expect("a lease");
        assert_eq!((status.state, lease.address, lease.server), (state, ADDRESS, SERVER));
        assert_eq!(lease.remaining.map(|rest| rest.as_secs().abs_diff(remaining) < 2), Some(true), "{lease:?}");
    }
    test.pass(1800);
    let status = test.client.status(test.now);
    assert_eq!((status.state, status.lease), (DhcpState::Selecting, None));
}

#[test]
fn a_renewal_keeps_what_it_leaves_out() {
    let mut test = Test::bound();
    let before = test.config.clone();
    test.pass(1800);
    test.answer(&Answer::new(ACK).options(&[]));
    assert_eq!((test.config.clone(), test.lost), (before, 0));
    // The lease was extended from the renewal on.
    test.pass(3599);
    assert_eq!(test.lost, 0);
    test.pass(1);
    assert_eq!(test.lost, 1);
}

#[test]
fn another_server_may_take_over_when_rebinding() {
    let mut test = Test::bound();
    test.pass(3150);
    let ack = Answer { server: OTHER_SERVER, ..Answer::new(ACK) };
    test.answer(&ack);
    test.pass(1800);
    assert_eq!(test.sent.last().map(|sent| sent.destination), Some(OTHER_SERVER));
    assert_eq!(test.lost, 0);
}

#[test]
fn times_of_the_server_are_used_if_they_are_in_order() {
    for (renewal, rebinding, expected) in [(100, 200, 100), (200, 100, 1800), (0, 200, 1800), (100, 3600, 1800)] {
        let mut options = MASK_AND_ROUTERS.to_vec();
        options.extend([code::RENEWAL_TIME, 4].into_iter().chain(u32::to_be_bytes(renewal)));
        options.extend([code::REBINDING_TIME, 4].into_iter().chain(u32::to_be_bytes(rebinding)));
        let mut test = Test::new();
        test.bind(&Answer::new(OFFER), &Answer::new(ACK).options(&options));
        test.pass(expected);
        assert_eq!((test.sent[2].at - start(&test)).secs(), expected, "{renewal} {rebinding}");
    }
}

#[test]
fn an_infinite_lease_is_never_renewed() {
    let mut test = Test::new();
    test.bind(&Answer::new(OFFER), &Answer::new(ACK).seconds(u32::MAX));
    assert_eq!(test.client.deadline(), None);
    test.pass(1 << 33);
    assert_eq!((test.sent.len(), test.lost), (2, 0));
}

#[test]
fn leases_of_seconds_are_renewed_in_time() {
    for seconds in [2, 3, 5, 10] {
        let mut test = Test::new();
        test.bind(&Answer::new(OFFER).seconds(seconds), &Answer::new(ACK).seconds(seconds));
        test.pass_answering(Duration::from_secs(600), |_| Some(Answer::new(ACK).seconds(seconds)));
        assert_eq!(test.lost, 0, "a lease of {seconds} s");
        let most = 600 * 2 / seconds as usize + 10;
        assert!(test.sent.len() < most, "{} messages for leases of {seconds} s", test.sent.len());
    }
}

#[test]
fn the_address_stays_when_the_link_flaps_and_is_confirmed() {
    let mut test = Test::bound();
    test.pass(100);
    test.link(false);
    test.pass(2);
    test.link(true);
    let reboot = test.sent.last().cloned().expect("a request");
    // RFC 2131, 4.3.2: no server identifier, no own address.
    assert_eq!((reboot.message_type, reboot.requested, reboot.server), (3, Some(ADDRESS), None));
    assert_eq!((reboot.own, reboot.destination), (Ipv4Addr::UNSPECIFIED, Ipv4Addr::BROADCAST));
    test.answer(&Answer::new(ACK));
    assert_eq!((test.lost, test.address()), (0, Some(ADDRESS.into())));
}

#[test]
fn the_address_stays_without_a_server_until_its_lease_ends() {
    let mut test = Test::bound();
    test.link(false);
    test.link(true);
    test.pass(3599);
    assert_eq!((test.lost, test.without_server), (0, 0));
    assert_eq!(test.types()[2..6], [3, 3, 3, 1]);
    // A server that comes back gives the same address.
    assert_eq!(test.sent.last().and_then(|sent| sent.requested), Some(ADDRESS));
    test.pass(1);
    assert_eq!(test.lost, 1);
}

#[test]
fn a_lease_ends_also_while_the_link_is_down() {
    let mut test = Test::bound();
    test.link(false);
    test.pass(3600);
    assert_eq!((test.lost, test.sent.len()), (1, 2));
    test.link(true);
    assert_eq!(test.types(), [1, 3, 1]);
}

#[test]
fn another_network_refuses_the_address_and_gives_its_own() {
    let mut test = Test::bound();
    test.link(false);
    test.link(true);
    test.answer(&Answer { server: OTHER_SERVER, ..Answer::new(NAK) });
    assert_eq!((test.lost, test.address()), (1, None));
    test.pass(2);
    let answer =
        |message_type| Answer { address: [10, 1, 0, 9].into(), server: OTHER_SERVER, ..Answer::new(message_type) };
    test.bind(&answer(OFFER), &answer(ACK));
    assert_eq!(test.address(), Some([10, 1, 0, 9].into()));
}

#[test]
fn a_conflict_is_declined_and_another_address_requested_after_ten_seconds() {
    let mut test = Test::bound();
    test.client.conflict(test.now);
    test.poll();
    assert_eq!((test.lost, test.address()), (1, None));
    let decline = test.sent.last().cloned().expect("a message");
    assert_eq!((decline.message_type, decline.requested, decline.server), (4, Some(ADDRESS), Some(SERVER)));
    assert_eq!((decline.source, decline.destination), (Ipv4Addr::UNSPECIFIED, Ipv4Addr::BROADCAST));
    test.pass(9);
    assert_eq!(test.types(), [1, 3, 4]);
    test.pass(1);
    assert_eq!(test.types(), [1, 3, 4, 1]);
}
