//! Whatever servers do, the client sends few messages.

use super::*;

/// The most messages in any window of so many seconds.
fn most_in(test: &Test, seconds: u64) -> usize {
    let window = Duration::from_secs(seconds);
    let in_window = |from: Instant| test.sent.iter().filter(|sent| sent.at >= from && sent.at < from + window).count();
    test.sent.iter().map(|sent| in_window(sent.at)).max().unwrap_or(0)
}

#[test]
fn a_nak_to_each_request_slows_the_client_down() {
    let mut test = Test::new();
    test.pass_answering(Duration::from_secs(600), |sent| {
        Some(Answer::new(if sent.message_type == 1 { OFFER } else { NAK }))
    });
    assert!(most_in(&test, 14) <= 12, "{} in 14 s", most_in(&test, 14));
    assert!(test.sent.len() < 60, "{} in 10 minutes", test.sent.len());
    // A server that has come to its senses is used within the longest wait.
    test.pass_answering(Duration::from_secs(70), |sent| {
        Some(Answer::new(if sent.message_type == 1 { OFFER } else { ACK }))
    });
    assert!(test.config.is_some());
}

#[test]
fn leases_of_no_time_are_not_taken() {
    let mut test = Test::new();
    test.pass_answering(Duration::from_secs(600), |sent| {
        Some(Answer::new(if sent.message_type == 1 { OFFER } else { ACK }).seconds(0))
    });
    assert!(test.sent.len() <= 16 && test.config.is_none() && test.without_server == 1, "{}", test.sent.len());
}

#[test]
fn leases_of_a_second_and_refusals_in_turn_stay_within_the_limit() {
    let mut test = Test::new();
    let mut count = 0;
    test.pass_answering(Duration::from_secs(600), |sent| {
        count += 1;
        let message_type = [OFFER, if count % 3 == 0 { NAK } else { ACK }][usize::from(sent.message_type != 1)];
        Some(Answer::new(message_type).seconds(1))
    });
    assert!(most_in(&test, 10) <= 24, "{} in 10 s", most_in(&test, 10));
}

#[test]
fn a_flapping_link_stays_within_the_limit() {
    let mut test = Test::bound();
    for _ in 0..1000 {
        test.link(false);
        test.pass_answering(Duration::from_millis(10), |_| None);
        test.link(true);
        test.pass_answering(Duration::from_millis(10), |_| Some(Answer::new(ACK)));
    }
    assert!(test.sent.len() <= 50, "{} in 20 s", test.sent.len());
    assert_eq!((test.lost, test.address()), (0, Some(ADDRESS.into())));
}
