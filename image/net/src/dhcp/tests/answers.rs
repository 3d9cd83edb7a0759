//! Answers that must not be used: rogue, malformed, of another exchange.

use super::*;

#[test]
fn answers_of_other_exchanges_hosts_and_servers_are_ignored() {
    let mut test = Test::new();
    let good = Answer::new(OFFER).to(&test.sent[0]);
    let changes: [(usize, u8); 8] = [(0, 1), (1, 6), (2, 7), (4, good[4] ^ 1), (28, 3), (33, 3), (236, 0), (242, NAK)];
    for (at, byte) in changes {
        let mut message = good.clone();
        message[at] = byte;
        test.receive(&message);
        assert_eq!(test.types(), [1], "byte {at}");
    }
    for length in 0..good.len() - 1 {
        test.receive(&good[..length]);
    }
    // Whole options, but without the router that came last, are an offer as well.
    assert!(test.sent.len() <= 2 && test.config.is_none());
    let mut test = Test::new();
    test.receive(&good);
    for ack in [
        Answer { server: OTHER_SERVER, ..Answer::new(ACK) },
        Answer { address: [10, 0, 0, 8].into(), ..Answer::new(ACK) },
        Answer { seconds: None, ..Answer::new(ACK) },
        Answer::new(ACK).seconds(0),
        Answer { server: OTHER_SERVER, ..Answer::new(NAK) },
        Answer::new(OFFER),
    ] {
        test.answer(&ack);
        assert!(test.config.is_none() && test.sent.len() == 2);
    }
    test.answer(&Answer::new(ACK));
    assert!(test.config.is_some());
}

#[test]
fn addresses_that_no_host_can_have_are_refused() {
    for address in [
        [127, 0, 0, 1],
        [0, 0, 0, 0],
        [0, 1, 2, 3],
        [224, 0, 0, 5],
        [240, 0, 0, 1],
        [255, 255, 255, 255],
        [10, 0, 0, 0],
        [10, 0, 0, 255],
        // The server's own.
        [10, 0, 0, 1],
    ] {
        let mut test = Test::new();
        test.answer(&Answer { address: address.into(), ..Answer::new(OFFER) });
        assert_eq!(test.types(), [1], "{address:?}");
    }
    let options = [code::SUBNET_MASK, 4, 255, 255, 255, 254];
    let mut test = Test::new();
    let answer = |message_type| Answer { address: [10, 0, 0, 6].into(), ..Answer::new(message_type).options(&options) };
    test.bind(&answer(OFFER), &answer(ACK));
    assert_eq!(test.config.expect("an address").addresses[0].to_string(), "10.0.0.6/31");
}

#[test]
fn a_nak_of_another_server_does_not_end_a_renewal() {
    let mut test = Test::bound();
    test.pass(1801);
    assert_eq!(test.types(), [1, 3, 3]);
    test.answer(&Answer { server: OTHER_SERVER, ..Answer::new(NAK) });
    assert_eq!(test.address(), Some(ADDRESS.into()));
    test.answer(&Answer::new(NAK));
    assert_eq!((test.address(), test.lost), (None, 1));
}

#[test]
fn answers_without_a_question_are_ignored() {
    let mut test = Test::bound();
    for message_type in [OFFER, ACK, NAK] {
        test.answer(&Answer::new(message_type).options(&[]));
    }
    assert_eq!((test.sent.len(), test.lost), (2, 0));
    assert!(test.config.expect("an address").ipv4_gateway().is_some());
}

#[test]
fn arbitrary_messages_are_harmless() {
    let mut random = crate::random::Random::new(3);
    let mut test = Test::new();
    for _ in 0..20_000 {
        let mut message = Answer::new([OFFER, ACK, NAK][random.below(3) as usize]).to(test.sent.last().expect("one"));
        for _ in 0..random.below(4) {
            let at = 236 + random.below(u32::try_from(message.len()).expect("short") - 236) as usize;
            message[at] = random.next_u32().to_le_bytes()[0];
        }
        message.truncate(message.len() - random.below(20) as usize);
        test.receive(&message);
        test.pass(random.below(20).into());
    }
}
