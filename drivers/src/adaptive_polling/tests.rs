//! Tests of the decision, on loads whose cost by interrupt and by polling is known.

use core::cell::Cell;

use super::*;

/// Returns in how many of 100 trials the device is polled, when an event takes `cost` nanoseconds. Its arguments are whether the
/// event is found by polling, and the number of events found so in a row.
fn share(cost: impl Fn(bool, u32) -> u64) -> u32 {
    let mut polling = AdaptivePolling::new(0, 300_000);
    let (mut now, mut polled, mut since) = (0, 0, 0);
    for _ in 0..100 * TRIAL_EVENTS {
        let polls = polling.should_poll(now);
        since = if polls { since + 1 } else { 0 };
        polled += u32::from(polls);
        now += cost(polls, since);
        polling.found(1, now);
    }
    polled / TRIAL_EVENTS
}

fn constant(by_interrupt: u64, by_polling: u64) -> impl Fn(bool, u32) -> u64 {
    move |polls, _| if polls { by_polling } else { by_interrupt }
}

#[test]
fn the_faster_strategy_is_kept() {
    assert!(share(constant(100_000, 30_000)) > 90);
    assert!(share(constant(40_000, 90_000)) < 10);
}

#[test]
fn polling_that_becomes_slow_is_given_up_at_once() {
    let mut polling = AdaptivePolling::new(0, 300_000);
    let mut now = 0;
    let mut events = |polling: &mut AdaptivePolling, count: u32, by_polling: u64| {
        let mut polled = 0;
        for _ in 0..count {
            let polls = polling.should_poll(now);
            polled += u32::from(polls);
            now += if polls { by_polling } else { 100_000 };
            polling.found(1, now);
        }
        polled
    };
    assert!(events(&mut polling, 4 * TRIAL_EVENTS, 30_000) > 2 * TRIAL_EVENTS);
    assert!(events(&mut polling, 4 * TRIAL_EVENTS, 5_000_000) < 20);
}

#[test]
fn one_slow_event_decides_little() {
    for (polling, expected) in [(34_000, 0..10), (20_000, 80..101)] {
        let is_first = Cell::new(true);
        let share = share(|polls, _| match polls {
            // The host is slow once, at the first event that is polled.
            true if is_first.take() => 15_000_000,
            true => polling,
            false => 40_000,
        });
        assert!(!is_first.get() && expected.contains(&share), "{share}");
    }
}

#[test]
fn the_warm_up_is_not_measured() {
    assert!(share(|polls, since| if !polls || since < WARM_UP_EVENTS { 100_000 } else { 40_000 }) > 80);
}

#[test]
fn events_that_share_an_interrupt_are_not_polled() {
    let mut polling = AdaptivePolling::new(0, 300_000);
    let mut now = 0;
    for _ in 0..100 * TRIAL_EVENTS {
        assert!(!polling.should_poll(now));
        now += 100_000;
        polling.found(2, now);
    }
}

#[test]
fn a_load_after_coalesced_events_or_a_pause_is_soon_polled() {
    for events_per_call in [2, 1] {
        let mut polling = AdaptivePolling::new(0, 300_000);
        let mut now = 0;
        // Polling is slower, when it is tried.
        for _ in 0..200 * TRIAL_EVENTS {
            now += if polling.should_poll(now) { 150_000 } else { 100_000 };
            polling.found(events_per_call, now);
        }
        if events_per_call == 1 {
            now += 2 * PAUSE_NS;
        }
        let mut polled = 0;
        for _ in 0..10 * TRIAL_EVENTS {
            let polls = polling.should_poll(now);
            polled += u32::from(polls);
            now += if polls { 30_000 } else { 100_000 };
            polling.found(1, now);
        }
        assert!(polled > 3 * TRIAL_EVENTS, "{polled} polled after {events_per_call} events for each call");
    }
}

#[test]
fn a_pause_is_not_measured() {
    let mut polling = AdaptivePolling::new(0, 300_000);
    let mut now = 0;
    for event in 0..10 * TRIAL_EVENTS {
        // A burst of 50 events each second.
        now += if event % 50 == 0 { 1_000_000_000 } else { 100_000 };
        polling.found(1, now);
    }
    assert_eq!((polling.strategy, polling.trials_left), (Strategy::Interrupts, None), "{polling:?}");
}

#[test]
fn an_idle_device_is_not_polled() {
    assert_eq!(share(constant(2_000_000, 2_000_000)), 0);
    let mut polling = AdaptivePolling::new(0, 300_000);
    (1..=2 * u64::from(TRIAL_EVENTS)).for_each(|event| polling.found(1, event * 1000));
    assert!(!polling.should_poll(10_000_000), "long after the last event");
}
