//! Tests of the driver on a fake device with a simulated peer.

use switchboard::config::Address;
use switchboard::driver::attach;
use switchboard::interrupt::ModePolicy;
use switchboard_testing::{FakeFunction, FakeMachine};

use super::*;

fn here() -> Address {
    Address::new(0, 0, 4, 0)
}

fn fake(policy: ModePolicy) -> FakeMachine {
    let function = FakeFunction::new(0x1af4, 0x1110).at("00:04.0").bar(0, 0x100).bar(1, 0x1000).bar(2, 0x1000);
    FakeMachine::with_policy(policy, [function.pin(1, 10).msix(8, 1, 0, 0x800)])
}

fn device(fake: &FakeMachine) -> Result<Ivshmem, ProbeError> {
    attach(fake.machine().take_all().remove(0))
}

fn low(fake: &FakeMachine, offset: u64, vector: u64) -> u32 {
    fake.read_register(here(), 2, offset + layout::STRIDE * vector)
}

#[test]
fn a_vector_serves_up_to_the_number_that_its_peer_wrote() {
    let fake = fake(ModePolicy::all());
    let device = device(&fake).expect("it probes");
    assert_eq!(low(&fake, layout::SERVED, 0), 8);
    fake.write_register(here(), 2, layout::RAISED + layout::STRIDE * 5, 3);
    assert_eq!(device.count(5).outstanding(), 3);
    fake.send(here(), 5).expect("sent");
    assert_eq!(device.count(5), SourceCounts { raised: 3, handled: 1, coalesced: 2, idle: 0 });
    assert_eq!((low(&fake, layout::ANSWERED, 5), low(&fake, layout::HANDLED, 5)), (3, 1));
    assert_eq!(device.count(4), SourceCounts::default());
}

#[test]
fn it_signals_itself_by_its_own_peer_id() {
    let fake = fake(ModePolicy::all());
    fake.write_register(here(), 0, POSITION.offset(), 7);
    let mut device = device(&fake).expect("it probes");
    device.raise(2).expect("raised");
    assert_eq!(fake.read_register(here(), 0, DOORBELL.offset()), 7 << 16 | 2);
    assert_eq!(low(&fake, layout::RAISED, 2), 1);
    assert_eq!(device.raise(8), Err(RaiseError::NoSource { index: 8, sources: 8 }));
}

#[test]
fn without_a_server_or_messages_the_probe_fails() {
    let alone = fake(ModePolicy::all());
    alone.write_register(here(), 0, POSITION.offset(), u32::MAX);
    assert!(matches!(device(&alone), Err(ProbeError::Device(_))));
    assert!(matches!(device(&fake(ModePolicy::INTX)), Err(ProbeError::Grant(_))));
}

#[test]
fn a_dropped_driver_serves_nothing() {
    let fake = fake(ModePolicy::all());
    drop(device(&fake).expect("it probes"));
    assert_eq!(low(&fake, layout::SERVED, 0), 0);
}

#[test]
fn the_counts_are_those_of_the_handlers_after_a_drop() {
    let fake = fake(ModePolicy::all());
    let device = device(&fake).expect("it probes");
    let handled = layout::HANDLED + layout::STRIDE * 5;
    fake.write_register(here(), 2, layout::RAISED + layout::STRIDE * 5, 3);
    fake.send(here(), 5).expect("sent");
    fake.write_register(here(), 2, handled, 1000);
    drop(device);
    assert_eq!((fake.read_register(here(), 2, handled), low(&fake, layout::ANSWERED, 5)), (1, 3));
}
