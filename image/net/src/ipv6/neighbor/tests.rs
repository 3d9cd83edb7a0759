use alloc::vec::Vec;

use super::*;
use crate::ipv6::ndp::Advertisement;

const OURS: [u8; 6] = [2; 6];
const OTHER: [u8; 6] = [4; 6];

fn host(number: u16) -> Ipv6Addr {
    Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, number)
}

fn seconds(seconds: u32) -> Instant {
    Instant::from_secs(seconds)
}

fn advertisement(target: Ipv6Addr, mac: [u8; 6], is_solicited: bool, is_override: bool) -> Advertisement {
    Advertisement { target, mac: Some(mac), is_router: false, is_solicited, is_override }
}

/// Returns the events until `now`.
fn events(neighbors: &mut Neighbors, now: Instant) -> Vec<NeighborEvent> {
    core::iter::from_fn(|| neighbors.poll(now)).collect()
}

fn solicit(target: Ipv6Addr, mac: Option<[u8; 6]>) -> NeighborEvent {
    NeighborEvent::Solicit(Solicitation { target, mac })
}

/// Returns a table in which host 1 has answered at second 0.
fn reachable() -> Neighbors {
    let mut neighbors = Neighbors::new();
    assert_eq!(neighbors.lookup(&host(1), seconds(0)), None);
    assert_eq!(events(&mut neighbors, seconds(0)), [solicit(host(1), None)]);
    let answer = advertisement(host(1), OURS, true, true);
    assert_eq!(neighbors.advertised(&answer, seconds(0)), Learned::Resolved(OURS));
    neighbors
}

#[test]
fn a_host_that_does_not_answer_is_asked_three_times_a_second_apart_and_given_up() {
    let mut neighbors = Neighbors::new();
    for _ in 0..100 {
        assert_eq!(neighbors.lookup(&host(1), seconds(0)), None);
    }
    for second in 0..3 {
        assert_eq!(events(&mut neighbors, seconds(second)), [solicit(host(1), None)]);
        assert_eq!(events(&mut neighbors, seconds(second)), []);
    }
    assert_eq!(events(&mut neighbors, seconds(3)), [NeighborEvent::Unreachable(host(1))]);
    assert_eq!(neighbors.deadline(), NEVER);
}

#[test]
fn a_reachable_host_becomes_stale_and_is_asked_five_seconds_after_it_is_used_again() {
    let mut neighbors = reachable();
    assert_eq!(events(&mut neighbors, seconds(30)), []);
    assert_eq!(neighbors.deadline(), NEVER, "a stale host costs nothing");
    assert_eq!(neighbors.lookup(&host(1), seconds(100)), Some(OURS));
    assert_eq!(events(&mut neighbors, seconds(104)), []);
    for second in 105..108 {
        assert_eq!(events(&mut neighbors, seconds(second)), [solicit(host(1), Some(OURS))]);
        assert_eq!(neighbors.lookup(&host(1), seconds(second)), Some(OURS));
    }
    assert_eq!(events(&mut neighbors, seconds(108)), [solicit(host(1), None)]);
    assert_eq!(neighbors.lookup(&host(1), seconds(108)), None);
}

#[test]
fn confirmations_keep_a_host_reachable_without_a_solicitation() {
    let mut neighbors = reachable();
    for second in 1..200 {
        neighbors.confirm(&host(1), seconds(second));
        assert_eq!(events(&mut neighbors, seconds(second)), []);
        assert_eq!(neighbors.lookup(&host(1), seconds(second)), Some(OURS));
    }
    assert_eq!(neighbors.table.values().next().map(|neighbor| neighbor.state), Some(State::Reachable));
}

#[test]
fn a_connection_without_progress_has_a_host_asked_at_once() {
    let mut neighbors = Neighbors::new();
    neighbors.seen(&host(1), OTHER, false, seconds(0));
    assert_eq!(neighbors.lookup(&host(1), seconds(1)), Some(OTHER));
    neighbors.suspect(&host(1), seconds(2));
    for second in 2..5 {
        assert_eq!(events(&mut neighbors, seconds(second)), [solicit(host(1), Some(OTHER))]);
    }
    assert_eq!(events(&mut neighbors, seconds(5)), [solicit(host(1), None)]);
    let answer = advertisement(host(1), OURS, true, true);
    assert_eq!(neighbors.advertised(&answer, seconds(5)), Learned::Resolved(OURS));
    // It has answered a moment ago: what is lost is lost elsewhere.
    neighbors.suspect(&host(1), seconds(9));
    assert_eq!(events(&mut neighbors, seconds(9)), []);
    neighbors.suspect(&host(1), seconds(11));
    assert_eq!(events(&mut neighbors, seconds(11)), [solicit(host(1), Some(OURS))]);
}

#[test]
fn forged_advertisements_do_not_move_a_host_that_answers() {
    let mut neighbors = reachable();
    for _ in 0..1000 {
        let forged = advertisement(host(1), OTHER, true, true);
        assert_eq!(neighbors.advertised(&forged, seconds(1)), Learned::Conflict);
        assert_eq!(neighbors.seen(&host(1), OTHER, false, seconds(1)), Learned::Conflict);
    }
    assert_eq!(events(&mut neighbors, seconds(1)), [solicit(host(1), Some(OURS))]);
    assert_eq!(neighbors.advertised(&advertisement(host(1), OURS, true, true), seconds(1)), Learned::Nothing);
    assert_eq!(neighbors.lookup(&host(1), seconds(1)), Some(OURS));
}

#[test]
fn a_host_with_a_new_card_is_found_when_the_old_one_is_silent() {
    let mut neighbors = reachable();
    let moved = advertisement(host(1), OTHER, false, true);
    assert_eq!(neighbors.advertised(&moved, seconds(1)), Learned::Conflict);
    for second in 1..4 {
        assert_eq!(events(&mut neighbors, seconds(second)), [solicit(host(1), Some(OURS))]);
    }
    assert_eq!(events(&mut neighbors, seconds(4)), [solicit(host(1), None)]);
    let answer = advertisement(host(1), OTHER, true, true);
    assert_eq!(neighbors.advertised(&answer, seconds(4)), Learned::Resolved(OTHER));
    assert_eq!(neighbors.lookup(&host(1), seconds(4)), Some(OTHER));
}

#[test]
fn a_scan_of_a_prefix_evicts_no_host_that_answers() {
    let mut neighbors = reachable();
    for number in 2..5000 {
        assert_eq!(neighbors.lookup(&host(number), seconds(1)), None);
    }
    assert_eq!(neighbors.table.len(), 1 + MAX_INCOMPLETE);
    assert_eq!(neighbors.lookup(&host(1), seconds(1)), Some(OURS));
}

#[test]
fn a_full_table_evicts_the_longest_unused_host_and_no_router() {
    let mut neighbors = Neighbors::new();
    neighbors.seen(&host(1), OURS, true, seconds(0));
    for number in 2..2000 {
        neighbors.seen(&host(number), OTHER, false, seconds(number.into()));
    }
    assert_eq!(neighbors.table.len(), MAX_NEIGHBORS);
    assert_eq!(neighbors.lookup(&host(1), seconds(2000)), Some(OURS));
    assert_eq!(neighbors.lookup(&host(1999), seconds(2000)), Some(OTHER));
    assert_eq!(neighbors.lookup(&host(2), seconds(2000)), None);
}

#[test]
fn advertised_timers_stay_within_bounds() {
    let mut neighbors = Neighbors::new();
    neighbors.set_timers(1, 1);
    assert_eq!(neighbors.retransmit_time(), Duration::from_millis(500));
    neighbors.set_timers(u32::MAX, u32::MAX);
    assert_eq!(neighbors.reachable_time, Duration::from_secs(3600));
    neighbors.set_timers(0, 0);
    assert_eq!(neighbors.retransmit_time(), Duration::from_secs(10));
}
