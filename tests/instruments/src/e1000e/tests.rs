//! Tests of the card's interrupts on the fake machine, in each mode.

use alloc::boxed::Box;

use switchboard::config::Address;
use switchboard::driver::attach;
use switchboard::interrupt::ModePolicy;
use switchboard_testing::{FakeFunction, FakeMachine};

use super::*;

fn address() -> Address {
    Address::new(0, 0, 3, 0)
}
const GSI: u8 = 10;

/// Makes a card that ends its resets at once, and attaches the driver in the best mode that `policy` allows.
fn card(policy: ModePolicy) -> (&'static FakeMachine, E1000e) {
    let function = FakeFunction::new(0x8086, 0x10d3).at("00:03.0").bar(0, 0x2_0000).bar(3, 0x4000);
    let function = function.pin(1, GSI).msi(1).msix(5, 3, 0, 0x2000);
    let fake: &FakeMachine = Box::leak(Box::new(FakeMachine::with_policy(policy, [function])));
    fake.on_tick(move || fake.write_register(address(), 0, CTRL.offset(), 0));
    let card = attach(fake.machine().take_all().remove(0)).expect("it probes");
    (fake, card)
}

/// Makes the causes that the driver has set pending, as the card does.
fn set_causes(fake: &FakeMachine) {
    let causes = fake.read_register(address(), 0, ICS.offset());
    fake.write_register(address(), 0, ICR.offset(), causes);
}

fn handled(card: &E1000e) -> [u64; CAUSES] {
    core::array::from_fn(|source| card.count(source).handled)
}

#[test]
fn each_cause_has_the_entry_of_its_message() {
    assert_eq!(ivar(|message| u16::try_from(message.index()).ok()), 0xc_ba98);
    assert_eq!(ivar(|_| Some(1)), 0x9_9999);
    assert_eq!(ivar(|_| None), 0);
}

#[test]
fn by_msix_a_message_serves_every_cause_that_was_read() {
    let (fake, mut card) = card(ModePolicy::all());
    assert_eq!(card.mode(), Mode::Msix);
    card.raise(3).expect("raised");
    set_causes(fake);
    fake.send(address(), 3).expect("sent");
    assert_eq!(handled(&card), [0, 0, 0, 1, 0]);
    assert_eq!(fake.read_register(address(), 0, ICR.offset()), bit(3), "written, which clears it");
    // Reading has cleared both on newer QEMUs: the message of the other cause finds none.
    card.raise(0).expect("raised");
    card.raise(2).expect("raised");
    fake.write_register(address(), 0, ICR.offset(), bit(0) | bit(2));
    fake.send(address(), 2).expect("sent");
    assert_eq!(handled(&card), [1, 0, 1, 1, 0]);
    fake.write_register(address(), 0, ICR.offset(), 0);
    fake.send(address(), 0).expect("sent");
    assert_eq!(handled(&card), [1, 0, 1, 1, 0]);
}

#[test]
fn by_msi_one_message_serves_all_causes() {
    let (fake, mut card) = card(ModePolicy::MSI);
    card.raise(1).expect("raised");
    card.raise(4).expect("raised");
    fake.write_register(address(), 0, ICR.offset(), bit(1) | bit(4));
    fake.send(address(), 0).expect("sent");
    assert_eq!(handled(&card), [0, 1, 0, 0, 1]);
}

#[test]
fn a_line_without_a_cause_is_not_claimed() {
    let (fake, card) = card(ModePolicy::INTX);
    for value in [0, !ALL, u32::MAX] {
        fake.write_register(address(), 0, ICR.offset(), value);
        assert!(fake.assert_line(GSI.into()));
    }
    assert_eq!(fake.machine().interrupt_report()[0].unclaimed, 3);
    assert_eq!(handled(&card), [0; CAUSES]);
}

#[test]
fn there_is_no_source_after_the_last_cause() {
    let (_, mut card) = card(ModePolicy::all());
    assert_eq!(card.raise(CAUSES), Err(RaiseError::NoSource { index: CAUSES, sources: CAUSES }));
}
