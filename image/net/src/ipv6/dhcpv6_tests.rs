use super::*;

const MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];
const SERVER: [u8; 14] = [0, 2, 0, 10, 0, 3, 0, 1, 4, 4, 4, 4, 4, 4];
const OTHER_SERVER: [u8; 14] = [0, 2, 0, 10, 0, 3, 0, 1, 8, 8, 8, 8, 8, 8];

fn address(number: u16) -> Ipv6Addr {
    Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, number)
}

fn seconds(seconds: u32) -> Instant {
    Instant::from_secs(seconds)
}

/// Returns a server's message that answers `request`.
fn answer(request: &Outgoing, kind: u8, server: &[u8], options: &[u8]) -> Vec<u8> {
    let mut message = request.as_bytes()[..4].to_vec();
    message[0] = kind;
    message.extend([&[0, 1, 0, 10, 0, 3, 0, 1][..], &MAC, server, options].concat());
    message
}

/// Returns an association with an address: T1, T2, preferred and valid lifetime.
fn association(times: [u32; 4]) -> Vec<u8> {
    let [renew, rebind, preferred, valid] = times.map(u32::to_be_bytes);
    let lease = [&[0, 5, 0, 24][..], &address(7).octets(), &preferred, &valid].concat();
    [&[0, 3, 0, 40, 0, 0, 0, 1][..], &renew, &rebind, &lease].concat()
}

#[test]
fn configuration_without_addresses_is_asked_for_until_it_is_answered_and_refreshed() {
    let mut client = Client::new(MAC);
    assert_eq!(client.poll(0, seconds(0)), None);
    client.advertised(false, true, 0, seconds(0));
    let (mut times, mut request) = (Vec::new(), None);
    for second in 0..40 {
        if let Some(message) = client.poll(0x8000_0000, seconds(second)) {
            assert_eq!(message.as_bytes()[0], kind::INFORMATION_REQUEST);
            times.push(second);
            request = Some(message);
        }
        // The same advertisement again changes nothing.
        client.advertised(false, true, 5, seconds(second));
    }
    assert!(times.len() >= 4 && times.len() <= 7, "{times:?}");
    let options = [
        &[0, 23, 0, 16][..],
        &address(53).octets(),
        b"\x00\x18\x00\x05\x03lan\x00",
        &[0, 56, 0, 20, 0, 1, 0, 16],
        &address(123).octets(),
        &[0, 32, 0, 4, 0, 0, 7, 8],
    ]
    .concat();
    let request = request.expect("a request");
    let reply = answer(&request, kind::REPLY, &SERVER, &options);
    for length in 0..reply.len() {
        assert_eq!(client.receive(&reply[..length], 0, seconds(40)).filter(|_| length < 32), None, "{length} bytes");
        if client.state == State::Informed {
            (client.state, client.deadline) = (State::Informing, seconds(41));
        }
    }
    let learnt = client.receive(&reply, 0, seconds(40)).expect("an answer");
    assert_eq!((learnt.dns_servers, learnt.ntp_servers), ([address(53)].to_vec(), [address(123)].to_vec()));
    assert_eq!((learnt.search_domains, learnt.lease), (["lan".into()].to_vec(), None));
    assert_eq!(client.deadline(), seconds(40 + 1800));
    assert!(client.poll(0, seconds(1840)).is_some());
}

#[test]
fn an_address_is_solicited_requested_renewed_and_rebound() {
    let mut client = Client::new(MAC);
    client.advertised(true, false, 0, seconds(0));
    let solicit = client.poll(0, seconds(0)).expect("due");
    assert_eq!(solicit.as_bytes()[0], kind::SOLICIT);
    let times = [100, 160, 200, 300];
    let offer = answer(&solicit, kind::ADVERTISE, &SERVER, &association(times));
    assert_eq!(client.receive(&offer, 77, seconds(0)), None);
    let request = client.poll(0, seconds(0)).expect("due");
    assert_eq!((request.as_bytes()[0], request.as_bytes()[3]), (kind::REQUEST, 77));
    // A reply of another server, or of the first transaction, is not for this request.
    let foreign = answer(&request, kind::REPLY, &OTHER_SERVER, &association(times));
    assert_eq!(client.receive(&foreign, 0, seconds(0)), None);
    let old = answer(&solicit, kind::REPLY, &SERVER, &association(times));
    assert_eq!(client.receive(&old, 0, seconds(0)), None);
    let reply = answer(&request, kind::REPLY, &SERVER, &association(times));
    let lease = client.receive(&reply, 0, seconds(1)).and_then(|learnt| learnt.lease).expect("a lease");
    assert_eq!((lease.address, lease.preferred_s, lease.valid_s), (address(7), 200, 300));
    assert_eq!(client.poll(0, seconds(100)), None);
    let renew = client.poll(0, seconds(101)).expect("due");
    assert_eq!(renew.as_bytes()[0], kind::RENEW);
    let mut kinds = Vec::new();
    for second in 102..310 {
        kinds.extend(client.poll(0, seconds(second)).map(|message| message.as_bytes()[0]));
    }
    assert!(kinds.contains(&kind::REBIND) && kinds.last() == Some(&kind::SOLICIT), "{kinds:?}");
    assert!(kinds.len() < 16, "{kinds:?}");
}

#[test]
fn a_rapid_commit_ends_in_two_messages_and_short_leases_do_not_flood() {
    let mut client = Client::new(MAC);
    client.advertised(true, true, 0, seconds(0));
    let mut messages = 0;
    for second in 0..100 {
        let Some(message) = client.poll(0, seconds(second)) else { continue };
        messages += 1;
        let options = [&[0, 14, 0, 0][..], &association([0, 0, 1, 1])].concat();
        assert!(client.receive(&answer(&message, kind::REPLY, &SERVER, &options), 0, seconds(second)).is_some());
    }
    assert!(messages <= 10, "{messages} messages in 100 seconds");
}

#[test]
fn refusals_are_followed_by_the_usual_intervals() {
    let mut client = Client::new(MAC);
    client.advertised(true, true, 0, seconds(0));
    let mut messages = 0;
    for second in 0..100 {
        while let Some(message) = client.poll(0, seconds(second)) {
            messages += 1;
            let answered = if message.as_bytes()[0] == kind::SOLICIT { kind::ADVERTISE } else { kind::REPLY };
            // A request is refused: a reply without an address.
            let options = if answered == kind::ADVERTISE { association([0; 4]) } else { Vec::new() };
            client.receive(&answer(&message, answered, &SERVER, &options), 0, seconds(second));
            assert!(messages < 200);
        }
    }
    assert!(messages < 20, "{messages} messages in 100 seconds");
}
