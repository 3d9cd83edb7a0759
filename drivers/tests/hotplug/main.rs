//! The driver of a port against a slot made of memory: what it tells its users, and what it tells the slot.

mod bench;

use bench::*;
use switchboard_drivers::hotplug::{GRACE_MS, SlotChange};

#[test]
fn what_is_there_at_first_is_no_news() {
    let mut full = bench(QUICK, 0, true);
    assert_eq!((full.lights_and_power(), full.change()), (ON, None));
    let mut empty = bench(QUICK, 0, false);
    assert_eq!((empty.lights_and_power(), empty.change()), (OFF, None));
    assert_eq!(
        (empty.slot.number(), empty.slot.bus().contains(behind()), empty.slot.bus().contains(port())),
        (7, true, false)
    );
}

#[test]
fn what_comes_has_power_and_time_before_anybody_hears_of_it() {
    let mut bench = bench(QUICK, GRACE_MS, false);
    bench.plug(0x11e8);
    bench.pass(50);
    assert_eq!((bench.lights_and_power(), bench.change()), (BLINKING, None));
    bench.pass(100);
    assert_eq!((bench.lights_and_power(), bench.change()), (ON, Some(SlotChange::Added)));
    assert!(!bench.is_known());
    bench.fake.machine().scan();
    assert!(bench.is_known());
    // The button that was pressed with it is no wish of its own.
    bench.pass(6_000);
    assert_eq!(bench.change(), None);
}

#[test]
fn a_wish_can_be_taken_back_for_five_seconds() {
    let mut bench = bench(QUICK, GRACE_MS, true);
    bench.announce(true, BUTTON);
    bench.pass(4_000);
    assert_eq!((bench.lights_and_power(), bench.change()), (BLINKING, None));
    bench.announce(true, BUTTON);
    bench.pass(6_000);
    assert_eq!((bench.lights_and_power(), bench.change()), (ON, None));
    bench.announce(true, BUTTON);
    bench.pass(5_100);
    assert_eq!((bench.lights_and_power(), bench.change()), (BLINKING, Some(SlotChange::RemovalRequested)));
    // The answer takes as long as it takes.
    bench.pass(20_000);
    assert_eq!(bench.lights_and_power(), BLINKING);
    bench.slot.release();
    bench.pass(0);
    assert_eq!((bench.lights_and_power(), bench.change(), bench.is_known()), (OFF, None, false));
    // It is in the slot still: pressed once more, it is used again.
    bench.announce(true, BUTTON);
    bench.pass(4_000);
    assert_eq!((bench.lights_and_power(), bench.change()), (BLINKING | 1 << 10, None));
    bench.pass(2_000);
    assert_eq!((bench.lights_and_power(), bench.change()), (ON, Some(SlotChange::Added)));
}

#[test]
fn without_grace_the_wish_is_passed_on_at_once_and_may_be_refused() {
    let mut bench = bench(QUICK, 0, true);
    bench.announce(true, BUTTON);
    bench.pass(0);
    assert_eq!((bench.lights_and_power(), bench.change()), (BLINKING, Some(SlotChange::RemovalRequested)));
    bench.slot.keep();
    bench.pass(0);
    assert_eq!((bench.lights_and_power(), bench.change(), bench.is_known()), (ON, None, true));
}

#[test]
fn what_is_pulled_is_gone_for_its_driver_before_its_users_hear_of_it() {
    let mut bench = bench(QUICK, GRACE_MS, true);
    let resources = bench.fake.machine().take(behind()).expect("nobody has it").claim().expect("a claim");
    bench.fake.remove(behind());
    bench.announce(false, PRESENCE | LINK);
    bench.pass(0);
    assert!(resources.presence.is_gone());
    assert_eq!((bench.lights_and_power(), bench.change()), (OFF, Some(SlotChange::Gone)));
    assert!(bench.is_known());
    drop(resources);
    assert!(!bench.is_known());
    bench.plug(0x11e9);
    bench.pass(200);
    bench.fake.machine().scan();
    assert_eq!((bench.change(), bench.is_known()), (Some(SlotChange::Added), true));
}

#[test]
fn what_was_exchanged_is_gone_and_come() {
    let mut bench = bench(QUICK, GRACE_MS, true);
    let old = bench.fake.machine().take(behind()).expect("nobody has it").presence();
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
fn an_answer_that_was_overtaken_does_not_count() {
    let mut bench = bench(QUICK, 0, true);
    bench.announce(true, BUTTON);
    bench.pass(0);
    assert_eq!(bench.change(), Some(SlotChange::RemovalRequested));
    bench.fake.remove(behind());
    bench.plug(0x5678);
    bench.pass(200);
    // The users have not heard yet that it is another by now.
    bench.slot.release();
    bench.pass(100);
    assert_eq!(
        (bench.lights_and_power(), bench.change(), bench.change()),
        (ON, Some(SlotChange::Gone), Some(SlotChange::Added))
    );
}

#[test]
fn faults_and_links_that_stay_down_call_for_attention() {
    let mut faulty = bench(QUICK, GRACE_MS, true);
    faulty.announce(true, FAULT);
    faulty.pass(0);
    assert_eq!((faulty.lights_and_power(), faulty.alarm(), faulty.change()), (OFF, true, Some(SlotChange::Gone)));
    let mut deaf = bench(QUICK, GRACE_MS, false);
    deaf.announce(true, PRESENCE);
    deaf.fake.set_config(port(), deaf.express + LINK_STATUS, 0);
    deaf.pass(2_000);
    assert_eq!((deaf.lights_and_power(), deaf.alarm(), deaf.change()), (OFF, true, None));
    let mut dumb = bench(QUICK, GRACE_MS, false);
    dumb.announce(true, PRESENCE);
    dumb.pass(2_000);
    assert_eq!((dumb.lights_and_power(), dumb.alarm(), dumb.change()), (OFF, true, None), "nothing answers");
}

#[test]
fn power_that_is_cut_is_a_removal_without_a_word() {
    let mut bench = bench(QUICK, GRACE_MS, true);
    bench.slot.cut_power();
    bench.pass(0);
    assert_eq!((bench.lights_and_power(), bench.change()), (OFF, None));
    bench.fake.remove(behind());
    bench.announce(false, PRESENCE | LINK);
    bench.pass(0);
    assert_eq!((bench.change(), bench.is_known()), (Some(SlotChange::Gone), false));
}

#[test]
fn a_slot_takes_one_command_at_a_time() {
    let mut bench = bench(CAPABILITIES, 0, true);
    // Nothing more is commanded before the slot has said that it is done with the first, which was to listen.
    bench.pass(500);
    assert_eq!(bench.lights_and_power(), 0);
    bench.announce(true, COMPLETED);
    bench.pass(0);
    assert_eq!(bench.lights_and_power(), ON);
    // One that never says so is not waited for for ever.
    bench.announce(true, BUTTON);
    bench.pass(900);
    assert_eq!(bench.change(), None);
    bench.pass(1_200);
    assert_eq!((bench.lights_and_power(), bench.change()), (BLINKING, Some(SlotChange::RemovalRequested)));
}

#[test]
fn a_press_while_a_card_comes_up_is_no_wish() {
    let mut bench = bench(QUICK, 0, false);
    bench.plug(0x11e8);
    bench.pass(50);
    bench.announce(true, BUTTON);
    bench.pass(200);
    assert_eq!((bench.change(), bench.change(), bench.lights_and_power()), (Some(SlotChange::Added), None, ON));
}

#[test]
fn a_press_with_an_exchange_is_no_wish() {
    let mut bench = bench(QUICK, 0, true);
    bench.fake.remove(behind());
    bench.plug(0x5678);
    bench.pass(200);
    assert_eq!((bench.change(), bench.change()), (Some(SlotChange::Gone), Some(SlotChange::Added)));
    assert_eq!((bench.change(), bench.lights_and_power()), (None, ON));
    // The next one is.
    bench.announce(true, BUTTON);
    bench.pass(0);
    assert_eq!(bench.change(), Some(SlotChange::RemovalRequested));
}

#[test]
fn what_a_line_does_not_tell_is_found_out() {
    let mut bench = bench_by_line(QUICK, 0, true);
    bench.fake.remove(behind());
    bench.change_unheard(false, PRESENCE | LINK);
    bench.pass(600);
    assert_eq!((bench.lights_and_power(), bench.change()), (OFF, Some(SlotChange::Gone)));
    bench.fake.insert(card(0x5678));
    bench.change_unheard(true, PRESENCE | BUTTON | LINK);
    bench.pass(800);
    assert_eq!((bench.lights_and_power(), bench.change(), bench.change()), (ON, Some(SlotChange::Added), None));
}
