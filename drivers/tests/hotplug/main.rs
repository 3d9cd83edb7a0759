//! Tests of the driver of a port on a slot made of memory: the changes for its users, and the commands to the slot.

mod bench;

use bench::*;
use switchboard_drivers::hotplug::{GRACE_MS, SlotChange};

#[test]
fn the_initial_state_is_no_change() {
    let mut full = bench(QUICK, 0, true);
    assert_eq!((full.indicator_and_power(), full.change()), (ON, None));
    let mut empty = bench(QUICK, 0, false);
    assert_eq!((empty.indicator_and_power(), empty.change()), (OFF, None));
    assert_eq!(
        (empty.slot.number(), empty.slot.bus().contains(behind()), empty.slot.bus().contains(port())),
        (7, true, false)
    );
}

#[test]
fn an_added_card_is_reported_after_power_on_and_settling() {
    let mut bench = bench(QUICK, GRACE_MS, false);
    bench.plug(0x11e8);
    bench.pass(50);
    assert_eq!((bench.indicator_and_power(), bench.change()), (BLINKING, None));
    bench.pass(100);
    assert_eq!((bench.indicator_and_power(), bench.change()), (ON, Some(SlotChange::Added)));
    assert!(!bench.is_found());
    bench.fake.machine().scan();
    assert!(bench.is_found());
    // The press of the button with it is no request for removal.
    bench.pass(6_000);
    assert_eq!(bench.change(), None);
}

#[test]
fn a_request_can_be_cancelled_for_five_seconds() {
    let mut bench = bench(QUICK, GRACE_MS, true);
    bench.announce(true, BUTTON);
    bench.pass(4_000);
    assert_eq!((bench.indicator_and_power(), bench.change()), (BLINKING, None));
    bench.announce(true, BUTTON);
    bench.pass(6_000);
    assert_eq!((bench.indicator_and_power(), bench.change()), (ON, None));
    bench.announce(true, BUTTON);
    bench.pass(5_100);
    assert_eq!((bench.indicator_and_power(), bench.change()), (BLINKING, Some(SlotChange::RemovalRequested)));
    // There is no limit for the response.
    bench.pass(20_000);
    assert_eq!(bench.indicator_and_power(), BLINKING);
    bench.slot.release();
    bench.pass(0);
    assert_eq!((bench.indicator_and_power(), bench.change(), bench.is_found()), (OFF, None, false));
    // The card is still in the slot: a press requests its use.
    bench.announce(true, BUTTON);
    bench.pass(4_000);
    assert_eq!((bench.indicator_and_power(), bench.change()), (BLINKING | 1 << 10, None));
    bench.pass(2_000);
    assert_eq!((bench.indicator_and_power(), bench.change()), (ON, Some(SlotChange::Added)));
}

#[test]
fn without_a_grace_period_a_request_is_passed_on_at_once_and_may_be_refused() {
    let mut bench = bench(QUICK, 0, true);
    bench.announce(true, BUTTON);
    bench.pass(0);
    assert_eq!((bench.indicator_and_power(), bench.change()), (BLINKING, Some(SlotChange::RemovalRequested)));
    bench.slot.keep();
    bench.pass(0);
    assert_eq!((bench.indicator_and_power(), bench.change(), bench.is_found()), (ON, None, true));
}

#[test]
fn a_removed_function_is_gone_for_its_driver_before_users_read_the_change() {
    let mut bench = bench(QUICK, GRACE_MS, true);
    let resources =
        bench.fake.machine().take(behind()).expect("a function that no driver has").claim().expect("a claim");
    bench.fake.remove(behind());
    bench.announce(false, PRESENCE | LINK);
    bench.pass(0);
    assert!(resources.presence.is_gone());
    assert_eq!((bench.indicator_and_power(), bench.change()), (OFF, Some(SlotChange::Gone)));
    assert!(bench.is_found());
    drop(resources);
    assert!(!bench.is_found());
    bench.plug(0x11e9);
    bench.pass(200);
    bench.fake.machine().scan();
    assert_eq!((bench.change(), bench.is_found()), (Some(SlotChange::Added), true));
}

#[test]
fn an_exchange_is_a_removal_and_an_addition() {
    let mut bench = bench(QUICK, GRACE_MS, true);
    let old = bench.fake.machine().take(behind()).expect("a function that no driver has").presence();
    bench.fake.remove(behind());
    bench.plug(0x5678);
    bench.pass(200);
    assert!(old.is_gone());
    assert_eq!(
        (bench.change(), bench.change(), bench.change()),
        (Some(SlotChange::Gone), Some(SlotChange::Added), None)
    );
    bench.fake.machine().scan();
    assert_eq!(bench.fake.machine().take(behind()).map(|function| function.id()), Some((0x1234, 0x5678)));
}

#[test]
fn an_obsolete_response_is_ignored() {
    let mut bench = bench(QUICK, 0, true);
    bench.announce(true, BUTTON);
    bench.pass(0);
    assert_eq!(bench.change(), Some(SlotChange::RemovalRequested));
    bench.fake.remove(behind());
    bench.plug(0x5678);
    bench.pass(200);
    // The users have not read yet that the card was exchanged.
    bench.slot.release();
    bench.pass(100);
    assert_eq!(
        (bench.indicator_and_power(), bench.change(), bench.change()),
        (ON, Some(SlotChange::Gone), Some(SlotChange::Added))
    );
}

#[test]
fn faults_and_links_that_stay_down_turn_the_attention_indicator_on() {
    let mut faulty = bench(QUICK, GRACE_MS, true);
    faulty.announce(true, FAULT);
    faulty.pass(0);
    assert_eq!(
        (faulty.indicator_and_power(), faulty.is_attention_on(), faulty.change()),
        (OFF, true, Some(SlotChange::Gone))
    );
    let mut without_link = bench(QUICK, GRACE_MS, false);
    without_link.announce(true, PRESENCE);
    without_link.fake.set_config(port(), without_link.express + LINK_STATUS, 0);
    without_link.pass(2_000);
    assert_eq!(
        (without_link.indicator_and_power(), without_link.is_attention_on(), without_link.change()),
        (OFF, true, None)
    );
    let mut without_response = bench(QUICK, GRACE_MS, false);
    without_response.announce(true, PRESENCE);
    without_response.pass(2_000);
    assert_eq!(
        (without_response.indicator_and_power(), without_response.is_attention_on(), without_response.change()),
        (OFF, true, None),
        "no function responds"
    );
}

#[test]
fn a_power_cut_is_a_surprise_removal() {
    let mut bench = bench(QUICK, GRACE_MS, true);
    bench.slot.cut_power();
    bench.pass(0);
    assert_eq!((bench.indicator_and_power(), bench.change()), (OFF, None));
    bench.fake.remove(behind());
    bench.announce(false, PRESENCE | LINK);
    bench.pass(0);
    assert_eq!((bench.change(), bench.is_found()), (Some(SlotChange::Gone), false));
}

#[test]
fn a_slot_takes_one_command_at_a_time() {
    let mut bench = bench(CAPABILITIES, 0, true);
    // No command is sent before the first one, which enables events, is completed.
    bench.pass(500);
    assert_eq!(bench.indicator_and_power(), 0);
    bench.announce(true, COMPLETED);
    bench.pass(0);
    assert_eq!(bench.indicator_and_power(), ON);
    // The wait for a completion has a limit.
    bench.announce(true, BUTTON);
    bench.pass(900);
    assert_eq!(bench.change(), None);
    bench.pass(1_200);
    assert_eq!((bench.indicator_and_power(), bench.change()), (BLINKING, Some(SlotChange::RemovalRequested)));
}

#[test]
fn a_press_while_a_card_is_started_is_no_request() {
    let mut bench = bench(QUICK, 0, false);
    bench.plug(0x11e8);
    bench.pass(50);
    bench.announce(true, BUTTON);
    bench.pass(200);
    assert_eq!((bench.change(), bench.change(), bench.indicator_and_power()), (Some(SlotChange::Added), None, ON));
}

#[test]
fn a_press_with_an_exchange_is_no_request() {
    let mut bench = bench(QUICK, 0, true);
    bench.fake.remove(behind());
    bench.plug(0x5678);
    bench.pass(200);
    assert_eq!((bench.change(), bench.change()), (Some(SlotChange::Gone), Some(SlotChange::Added)));
    assert_eq!((bench.change(), bench.indicator_and_power()), (None, ON));
    // The next one is.
    bench.announce(true, BUTTON);
    bench.pass(0);
    assert_eq!(bench.change(), Some(SlotChange::RemovalRequested));
}

#[test]
fn events_without_an_interrupt_of_the_line_are_polled() {
    let mut bench = bench_by_line(QUICK, 0, true);
    bench.fake.remove(behind());
    bench.change_without_interrupt(false, PRESENCE | LINK);
    bench.pass(600);
    assert_eq!((bench.indicator_and_power(), bench.change()), (OFF, Some(SlotChange::Gone)));
    bench.fake.insert(card(0x5678));
    bench.change_without_interrupt(true, PRESENCE | BUTTON | LINK);
    bench.pass(800);
    assert_eq!((bench.indicator_and_power(), bench.change(), bench.change()), (ON, Some(SlotChange::Added), None));
}
