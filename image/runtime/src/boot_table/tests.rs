//! Tests of the rows that functions of a fake machine have with a driver.

use alloc::sync::Arc;

use switchboard::driver::{Driver, Id, ProbeError, attach};
use switchboard::function::{Function, Resources};
use switchboard::interrupt::{Claim, InIsr, Interrupts, LineIsr, Live, MessageIsr};
use switchboard::platform::ModePolicy;
use switchboard_testing::{FakeFunction, FakeMachine};

use super::*;

switchboard::messages! {
    enum Message { Config, Rx, Tx }
}

struct Handler;

impl LineIsr for Handler {
    fn on_line(&self, _isr: &InIsr<'_>) -> Claim {
        Claim::NotMine
    }
}

impl MessageIsr<3> for Handler {
    type Message = Message;
    fn on_message(&self, _message: Message, _isr: &InIsr<'_>) {}
}

/// A driver that takes any interrupt mode.
struct Card {
    _interrupts: Interrupts<3, Handler, Live>,
}

impl Driver for Card {
    const NAME: &'static str = "virtio-net";
    const MATCHES: &'static [Id] = &[Id::new(0x1af4, 0x1041)];

    fn probe(function: Function) -> Result<Self, ProbeError> {
        let Resources { irq, .. } = function.claim()?;
        Ok(Self { _interrupts: irq.grant()?.register(Arc::new(Handler)).unmask() })
    }
}

/// Returns the row of a card of two messages after its probe, with a limit of vectors if there is one.
fn row_after_probe(policy: ModePolicy, max_vectors: Option<usize>) -> String {
    let card = FakeFunction::new(0x1af4, 0x1041).at("00:03.0").bar(1, 0x1000).pin(1, 22).msix(2, 1, 0, 0x800);
    let fake = FakeMachine::with_policy(policy, [card]);
    max_vectors.inspect(|max| fake.machine().limit_vectors(*max));
    let _card = attach::<Card>(fake.machine().take_all().remove(0));
    row(&fake.machine().functions()[0], &fake.machine().interrupt_report())
}

#[test]
fn vectors_of_another_cpu_are_shown_with_it() {
    let fake = FakeMachine::builder().cpus(2).build();
    fake.insert(FakeFunction::new(0x1af4, 0x1041).bar(1, 0x1000).msix(2, 1, 0, 0x800));
    fake.machine().scan();
    fake.machine().spread_interrupts(true);
    let _card = attach::<Card>(fake.machine().take_all().remove(0));
    let row = row(&fake.machine().functions()[0], &fake.machine().interrupt_report());
    let granted = row.split_once(" msix ").expect("the mode").1;
    assert_eq!(granted, "32 Config, 32 on CPU 1 Rx Tx");
}

#[test]
fn a_live_function_shows_its_vectors() {
    let row = row_after_probe(ModePolicy::all(), None);
    let (identity, granted) = row.split_once(" msix ").expect("the mode");
    assert_eq!(identity, "0000:00:03.0  1af4:1041  000000  virtio-net      INTA, MSI-X 2            ");
    let words: Vec<_> = granted.split(' ').collect();
    let [first, "Config,", second, "Rx", "Tx"] = words[..] else { panic!("{granted}") };
    assert_ne!(first.parse::<u8>().expect("a vector"), second.parse::<u8>().expect("a vector"));
}

#[test]
fn a_line_shows_the_source_of_its_route() {
    let row = row_after_probe(ModePolicy::INTX, None);
    assert!(row.contains("INTA, MSI-X 2") && row.ends_with(" gsi 22 by fake"), "{row}");
}

#[test]
fn a_failed_function_shows_the_reason() {
    let row = row_after_probe(ModePolicy::all(), Some(0));
    assert!(row.ends_with("failed: virtio-net: out of vectors: 1 wanted, 0 free"), "{row}");
}
