//! Tests of the driver on a card made of memory, in each interrupt mode.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::task::Wake;
use alloc::vec;
use core::sync::atomic::{AtomicU32, Ordering};
use core::task::{Context, Waker};

use embassy_net_driver::{Driver as _, LinkState, RxToken as _, TxToken as _};
use switchboard::driver::{ProbeError, attach};
use switchboard::interrupt::{Mode, ModePolicy};
use switchboard_testing::{FakeFunction, FakeMachine};

use super::E1000e;
use super::interrupt::{OF_RINGS, OTHERS};
use super::registers::*;
use crate::intel::registers::*;
use crate::intel::tests::{DeviceRing, GSI, address};
use crate::intel::{rx_ring, tx_ring};
use crate::interfaces::network::NetworkCard as _;

const MAC: [u8; 6] = [0x52, 0x54, 0x00, 0x12, 0x34, 0x56];
/// The bits of causes, and the entries of their messages.
const RECEIVED: [u32; 2] = [1 << 20, 1 << 21];
const SENT: u32 = 1 << 22;
const OTHER: u32 = 1 << 24;
const OTHER_ENTRY: u16 = 3;

fn read(fake: &FakeMachine, offset: u64) -> u32 {
    fake.read_register(address(), 0, offset)
}

fn write(fake: &FakeMachine, offset: u64, value: u32) {
    fake.write_register(address(), 0, offset, value);
}

/// Makes a card, and attaches the driver in the best mode that `policy` allows.
fn attached(policy: ModePolicy, ends_resets: bool) -> (&'static FakeMachine, Result<E1000e, ProbeError>) {
    let function = FakeFunction::new(0x8086, 0x10d3).at("00:03.0").bar(0, 0x2_0000).bar(3, 0x4000);
    let function = function.pin(1, 10).msi(1).msix(5, 3, 0, 0x2000);
    let fake: &FakeMachine = Box::leak(Box::new(FakeMachine::with_policy(policy, [function])));
    write(fake, STATUS.offset(), STATUS_LINK_UP | STATUS_MASTER_ENABLED);
    fake.on_tick(move || {
        let control = read(fake, CTRL.offset());
        if control & CTRL_MASTER_DISABLE != 0 {
            write(fake, STATUS.offset(), STATUS_LINK_UP);
        }
        if ends_resets && control & Control::RESET.bits() != 0 {
            write(fake, CTRL.offset(), 0);
            write(fake, RAL0.offset(), 0x1200_5452);
            write(fake, RAH0.offset(), 0x8000_5634);
        }
    });
    (fake, attach(fake.machine().take_all().remove(0)))
}

fn card(policy: ModePolicy) -> (&'static FakeMachine, E1000e) {
    let (fake, card) = attached(policy, true);
    (fake, card.expect("a card"))
}

fn rx(fake: &FakeMachine, ring: usize) -> DeviceRing<'_> {
    let low = RX_RINGS[ring].rdba.offset();
    DeviceRing { fake, bus: u64::from(read(fake, low + 4)) << 32 | u64::from(read(fake, low)) }
}

fn tx(fake: &FakeMachine) -> DeviceRing<'_> {
    let low = TDBA.offset();
    DeviceRing { fake, bus: u64::from(read(fake, low + 4)) << 32 | u64::from(read(fake, low)) }
}

/// A waker that counts its wakes.
#[derive(Default)]
struct Count(AtomicU32);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn counted() -> (Arc<Count>, Waker) {
    let count = Arc::new(Count::default());
    (count.clone(), count.into())
}

impl Count {
    fn take(&self) -> u32 {
        self.0.swap(0, Ordering::Relaxed)
    }
}

#[test]
fn by_msix_each_ring_has_its_message() {
    let (fake, card) = card(ModePolicy::all());
    assert_eq!((card.mode(), card.mac()), (Mode::Msix, MAC));
    assert_eq!((read(fake, EIAC.offset()), read(fake, IMS.offset())), (OF_RINGS, OTHERS));
    assert_eq!(read(fake, IVAR.offset()), 0xb_0a98, "entries 0 to 3, and none for the second transmit ring");
    assert_eq!((read(fake, MRQC.offset()) & 3, read(fake, RFCTL.offset()) & RFCTL_EXTENDED), (1, RFCTL_EXTENDED));
    assert_eq!(read(fake, RETA.start), 0x8000_8000, "two rings take turns");
    for ring in &RX_RINGS {
        assert_eq!(read(fake, ring.rdt.offset()), u32::from(rx_ring::FRAMES) - 1);
    }
    let no_promiscuity = Receive::all().bits() & (1 << 3) == 0;
    assert!(no_promiscuity && read(fake, RCTL.offset()) == Receive::all().bits());
    assert_eq!((read(fake, RAL0.offset()), read(fake, RAH0.offset())), (0x1200_5452, 0x8000_5634));
    drop(card);
    assert_eq!((read(fake, RCTL.offset()), read(fake, TCTL.offset()), fake.mode(address())), (0, 0, None));
    assert_eq!(fake.dma_pages(), 0);
}

#[test]
fn by_one_interrupt_there_is_one_receive_ring() {
    for (policy, mode) in [(ModePolicy::MSI, Mode::Msi), (ModePolicy::INTX, Mode::Intx)] {
        let (fake, card) = card(policy);
        assert_eq!(card.mode(), mode);
        assert_eq!((read(fake, EIAC.offset()), read(fake, MRQC.offset()), read(fake, IVAR.offset())), (0, 0, 0));
        assert_eq!(read(fake, RX_RINGS[1].rdlen.offset()), 0);
    }
}

#[test]
fn messages_are_turned_off_when_no_interval_runs() {
    for (policy, least_ns) in [(ModePolicy::MSIX, 150_000), (ModePolicy::INTX, 0)] {
        let (fake, card) = card(policy);
        let clock = fake.machine().clock();
        let start_ns = clock.now_ns();
        drop(card);
        let ns = clock.now_ns() - start_ns;
        assert!((least_ns..least_ns + 100_000).contains(&ns), "{policy:?}: {ns} ns");
    }
}

#[test]
fn a_reset_that_does_not_end_is_an_error() {
    let (fake, card) = attached(ModePolicy::all(), false);
    assert!(matches!(card, Err(ProbeError::Device(reason)) if reason.contains("reset")));
    assert_eq!(fake.dma_pages(), 0);
}

#[test]
fn a_frame_of_either_ring_wakes_the_task_and_unmasks_again() {
    let (fake, mut card) = card(ModePolicy::all());
    let (count, waker) = counted();
    let mut context = Context::from_waker(&waker);
    for ring in [0, 1] {
        assert!(card.receive(&mut context).is_none());
        write(fake, IMS.offset(), 0);
        rx(fake, ring).receive_extended(0, b"a frame", 3);
        fake.send(address(), u16::try_from(ring).expect("few")).expect("sent");
        assert_eq!((count.take(), read(fake, IMS.offset())), (1, 0), "the card may have masked its message");
        let (token, _) = card.receive(&mut context).expect("a frame");
        token.consume(|frame| assert_eq!(frame, b"a frame"));
        assert!(card.receive(&mut context).is_none());
        assert_eq!(read(fake, IMS.offset()), RECEIVED[0] | RECEIVED[1], "unmasked before the task waits");
        write(fake, IMS.offset(), 0);
        assert!(card.receive(&mut context).is_none());
        assert_eq!(read(fake, IMS.offset()), 0, "once is enough");
    }
    assert_eq!(card.counters().received(), 2);
}

#[test]
fn rings_take_turns() {
    let (fake, mut card) = card(ModePolicy::all());
    let mut context = Context::from_waker(Waker::noop());
    for index in 0..2 {
        rx(fake, 0).receive_extended(index, b"even", 3);
        rx(fake, 1).receive_extended(index, b"odd", 3);
    }
    let mut lengths = vec![];
    while let Some((token, _)) = card.receive(&mut context) {
        lengths.push(token.consume(|frame| frame.len()));
    }
    assert_eq!(lengths, [4, 3, 4, 3]);
}

#[test]
fn damaged_frames_are_dropped() {
    let (fake, mut card) = card(ModePolicy::all());
    let mut context = Context::from_waker(Waker::noop());
    for (index, error) in [24, 25, 26, 28, 31].into_iter().enumerate() {
        rx(fake, 0).receive_extended(u16::try_from(index).expect("few"), b"bad", 3 | 1 << error);
    }
    // A checksum error is the stack's to find.
    rx(fake, 0).receive_extended(5, b"good", 3 | 1 << 29);
    let (token, _) = card.receive(&mut context).expect("a frame");
    token.consume(|frame| assert_eq!(frame, b"good"));
    assert_eq!(card.counters().dropped(), 5);
}

#[test]
fn a_full_ring_wakes_the_task_after_a_report() {
    let (fake, mut card) = card(ModePolicy::all());
    let (count, waker) = counted();
    let mut context = Context::from_waker(&waker);
    while let Some(token) = card.transmit(&mut context) {
        token.consume(60, |_| ());
    }
    assert_eq!(read(fake, TDT.offset()), u32::from(tx_ring::FRAMES) - 1);
    assert_eq!(read(fake, IMS.offset()), SENT);
    let descriptor = tx(fake).read(15);
    assert_eq!(descriptor[8..], [60, 0, 0x10, 0x2b, 0, 0, 0, 0], "an extended data descriptor that reports");
    tx(fake).report(15, 1);
    fake.send(address(), 2).expect("sent");
    assert_eq!(count.take(), 1);
    assert!(card.transmit(&mut context).is_some());
}

#[test]
fn the_other_message_is_for_link_and_overruns() {
    let (fake, mut card) = card(ModePolicy::all());
    let (count, waker) = counted();
    let mut context = Context::from_waker(&waker);
    assert!(card.link_state(&mut context) == LinkState::Up);
    write(fake, STATUS.offset(), 0);
    write(fake, ICR.offset(), OTHER | Causes::LINK.bits());
    fake.send(address(), OTHER_ENTRY).expect("sent");
    assert_eq!(read(fake, ICR.offset()), OTHER | Causes::LINK.bits(), "cleared by writing ones");
    assert_eq!(count.take(), 1);
    assert!(card.link_state(&mut context) == LinkState::Down);
    write(fake, ICR.offset(), OTHER | Causes::OVERRUN.bits());
    fake.send(address(), OTHER_ENTRY).expect("sent");
    assert_eq!(card.counters().overruns(), 1);
    // Causes of rings that this read has cleared are served.
    assert!(card.receive(&mut context).is_none());
    write(fake, ICR.offset(), OTHER | RECEIVED[1]);
    fake.send(address(), OTHER_ENTRY).expect("sent");
    assert_eq!(count.take(), 1);
}

#[test]
fn one_interrupt_serves_all_causes() {
    for policy in [ModePolicy::MSI, ModePolicy::INTX] {
        let (fake, mut card) = card(policy);
        let (count, waker) = counted();
        let mut context = Context::from_waker(&waker);
        let interrupt = |causes: Causes| {
            write(fake, ICR.offset(), causes.bits());
            if fake.send(address(), 0).is_none() {
                assert!(fake.assert_line(GSI));
            }
        };
        assert!(card.receive(&mut context).is_none());
        assert!(card.link_state(&mut context) == LinkState::Up);
        interrupt(Causes::RECEIVED);
        assert_eq!(count.take(), 1);
        interrupt(Causes::LINK);
        assert_eq!(count.take(), 1);
        interrupt(Causes::OVERRUN);
        assert_eq!(card.counters().overruns(), 1);
        interrupt(Causes::empty());
        assert_eq!(count.take(), 0);
    }
}

#[test]
fn a_polled_card_does_not_interrupt_for_frames() {
    let (fake, mut card) = card(ModePolicy::all());
    card.set_polled(true);
    assert_eq!(read(fake, IMC.offset()), RECEIVED[0] | RECEIVED[1]);
    card.set_polled(false);
    assert_eq!(read(fake, IMS.offset()), RECEIVED[0] | RECEIVED[1]);
}

#[test]
fn a_card_with_an_impossible_report_is_quarantined() {
    let (fake, mut card) = card(ModePolicy::all());
    let mut context = Context::from_waker(Waker::noop());
    rx(fake, 1).write_back_extended(0, 2049, 3);
    assert!(card.receive(&mut context).is_none());
    assert!(card.link_state(&mut context) == LinkState::Down);
    assert!(card.transmit(&mut context).is_none());
    assert_eq!(fake.read_config(address(), 4) & 4, 0, "bus mastering is off");
}
