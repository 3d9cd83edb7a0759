//! `BusPort::isolate`: nothing that is granted later lets an isolated function onto the bus.

use std::sync::Arc;

use switchboard::config::Address;
use switchboard::function::Resources;
use switchboard::interrupt::{Claim, InIsr, Line, LineIsr, MessageIsr, Messages};
use switchboard::messages;
use switchboard_testing::{FakeFunction, FakeMachine};

const BUS_MASTER: u16 = 4;
const INTX_DISABLE: u16 = 0x400;

messages! {
    enum Message { Only }
}

#[derive(Debug)]
struct Handler;

impl MessageIsr<1> for Handler {
    type Message = Message;

    fn on_message(&self, Message::Only: Message, _isr: &InIsr<'_>) {}
}

impl LineIsr for Handler {
    fn on_line(&self, _isr: &InIsr<'_>) -> Claim {
        Claim::Mine
    }
}

fn here() -> Address {
    Address::new(0, 0, 1, 0)
}

fn machine() -> FakeMachine {
    FakeMachine::new([FakeFunction::new(0x1234, 0x11e8).bar(0, 0x1000).msix(2, 0, 0, 0x800).pin(1, 10)])
}

fn claim(fake: &FakeMachine) -> Resources {
    fake.machine().take(here()).expect("not taken").claim().expect("an endpoint")
}

fn command(fake: &FakeMachine) -> u16 {
    fake.read_config(here(), 4)
}

#[test]
fn dma_memory_and_messages_do_not_enable_bus_mastering_again() {
    let fake = machine();
    let Resources { irq, dma, bus, .. } = claim(&fake);
    let _memory = dma.buffer(64).expect("memory");
    let granted: Messages<1, Handler> = irq.grant_messages().expect("messages");
    let messages = granted.register(Arc::new(Handler)).unmask();
    assert!(fake.send(here(), 0).is_some());
    bus.isolate();
    assert!(bus.is_isolated() && fake.send(here(), 0).is_none());
    let _more = dma.buffer(64).expect("memory");
    let _messages = messages.mask().unmask();
    assert_eq!(command(&fake) & (BUS_MASTER | INTX_DISABLE), INTX_DISABLE);
    assert!(fake.send(here(), 0).is_none());
}

#[test]
fn unmasking_does_not_enable_the_line_again() {
    let fake = machine();
    let Resources { irq, bus, .. } = claim(&fake);
    let granted: Line<Handler> = irq.grant_line().expect("a line");
    let line = granted.register(Arc::new(Handler)).unmask();
    assert_eq!(command(&fake) & INTX_DISABLE, 0);
    bus.isolate();
    let _line = line.mask().unmask();
    assert_eq!(command(&fake) & INTX_DISABLE, INTX_DISABLE);
}

#[test]
fn the_next_claim_ends_the_isolation() {
    let fake = machine();
    claim(&fake).bus.isolate();
    let Resources { dma, bus, .. } = claim(&fake);
    let _memory = dma.buffer(64).expect("memory");
    assert!(!bus.is_isolated());
    assert_eq!(command(&fake) & BUS_MASTER, BUS_MASTER);
}
