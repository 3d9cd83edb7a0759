//! Tests of the driver on a card made of memory.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::task::Wake;
use alloc::vec;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU32, Ordering};
use core::task::{Context, Waker};

use embassy_net_driver::{Driver as _, LinkState, RxToken as _, TxToken as _};
use proptest::prelude::*;
use switchboard::config::Address;
use switchboard::driver::{ProbeError, attach};
use switchboard_testing::{FakeFunction, FakeMachine};

use super::Rtl8139;
use super::registers::*;
use super::ring::{BUFFER_BYTES, FRAMES};
use crate::interfaces::network::NetworkCard as _;

const GSI: u32 = 10;
const OWNED_BY_CARD: u64 = 1 << 31;
const WHOLE: u64 = 3 << 28;

fn address() -> Address {
    Address::new(0, 0, 3, 0)
}

fn attached(revision: u8, ends_resets: bool) -> (&'static FakeMachine, Result<Rtl8139, ProbeError>) {
    let function = FakeFunction::new(0x10ec, 0x8139).at("00:03.0").byte(8, revision).bar(1, 0x100).pin(1, 10);
    let fake: &FakeMachine = Box::leak(Box::new(FakeMachine::new([function])));
    fake.write_register(address(), 1, IDR0.offset(), 0x1200_5452);
    fake.write_register(address(), 1, IDR4.offset(), 0x5634);
    fake.on_tick(move || {
        let command = fake.read_register_u8(address(), 1, CR.offset());
        if ends_resets && command & CR_RESET != 0 {
            fake.write_register_u8(address(), 1, CR.offset(), command & !CR_RESET);
        }
    });
    (fake, attach(fake.machine().take_all().remove(0)))
}

fn card() -> (&'static FakeMachine, Rtl8139) {
    let (fake, card) = attached(0x20, true);
    (fake, card.expect("a card"))
}

/// The card's side of a ring.
struct Ring(&'static FakeMachine, u64);

impl Ring {
    fn of(fake: &'static FakeMachine, low: u64) -> Self {
        let half = |offset| u64::from(fake.read_register(address(), 1, offset));
        Self(fake, half(low) | half(low + 4) << 32)
    }

    fn words(&self, index: u16) -> (u64, u64) {
        let bytes = self.0.dma_read(self.1 + 16 * u64::from(index), 16).expect("a descriptor");
        let word = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("8 bytes"));
        (word(0), word(8))
    }

    fn write(&self, index: u16, status: u64) {
        self.0.dma_write(self.1 + 16 * u64::from(index), &status.to_le_bytes()).expect("a descriptor");
    }

    /// Writes a frame and its CRC.
    fn receive(&self, index: u16, frame: &[u8]) {
        self.0.dma_write(self.words(index).1, frame).expect("a buffer");
        self.write(index, WHOLE | (frame.len() as u64 + 4));
    }
}

fn interrupt(fake: &FakeMachine, causes: Causes) {
    fake.write_register_u16(address(), 1, ISR.offset(), causes.bits());
    assert!(fake.assert_line(GSI));
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

#[test]
fn a_probed_card_is_started_and_stopped() {
    let (fake, card) = card();
    assert_eq!(card.mac(), [0x52, 0x54, 0, 0x12, 0x34, 0x56]);
    assert_eq!(fake.read_register_u8(address(), 1, CR.offset()), CR_RECEIVER | CR_TRANSMITTER);
    assert_eq!(fake.read_register_u16(address(), 1, IMR.offset()), (Causes::RECEIVE | Causes::LINK).bits());
    assert_eq!(fake.read_register(address(), 1, RCR.offset()) & 1, 0, "not promiscuous");
    let last = Ring::of(fake, RDSAR.offset()).words(FRAMES - 1).0;
    assert_eq!(last, OWNED_BY_CARD | 1 << 30 | BUFFER_BYTES as u64);
    drop(card);
    assert_eq!((fake.dma_pages(), fake.mode(address())), (0, None));
    assert_eq!(fake.read_register_u16(address(), 1, IMR.offset()), 0);
}

#[test]
fn what_is_not_driven_has_a_reason() {
    let (_, older) = attached(0x10, true);
    assert!(matches!(older, Err(ProbeError::LeftAlone(reason)) if reason.contains("C+")));
    let (fake, stuck) = attached(0x20, false);
    assert!(matches!(stuck, Err(ProbeError::Device(reason)) if reason.contains("reset")));
    assert_eq!(fake.dma_pages(), 0);
}

#[test]
fn frames_wake_the_task_and_are_read_without_their_crc() {
    let (fake, mut card) = card();
    let (count, waker) = counted();
    let mut context = Context::from_waker(&waker);
    for round in 0..3 * FRAMES {
        assert!(card.receive(&mut context).is_none());
        Ring::of(fake, RDSAR.offset()).receive(round % FRAMES, &round.to_le_bytes());
        interrupt(fake, Causes::RECEIVED);
        assert_eq!(count.0.swap(0, Ordering::Relaxed), 1);
        let (token, _) = card.receive(&mut context).expect("a frame");
        token.consume(|frame| assert_eq!(frame, round.to_le_bytes()));
    }
    interrupt(fake, Causes::NO_DESCRIPTOR);
    assert_eq!(card.counters().overruns(), 1);
}

#[test]
fn damaged_and_partial_frames_are_dropped() {
    let (fake, mut card) = card();
    let ring = Ring::of(fake, RDSAR.offset());
    for (index, status) in
        [WHOLE | 1 << 20 | 64, WHOLE | 1 << 18 | 64, 1 << 29 | 64, 1 << 28 | 64, WHOLE | 4].into_iter().enumerate()
    {
        ring.write(u16::try_from(index).expect("few"), status);
    }
    assert!(card.receive(&mut Context::from_waker(Waker::noop())).is_none());
    assert_eq!(card.counters().dropped(), 5);
    assert_ne!(ring.words(0).0 & OWNED_BY_CARD, 0, "given back");
}

#[test]
fn a_full_ring_wakes_the_task_when_frames_were_sent() {
    let (fake, mut card) = card();
    let (count, waker) = counted();
    let mut context = Context::from_waker(&waker);
    while let Some(token) = card.transmit(&mut context) {
        token.consume(60, |frame| frame.fill(7));
    }
    let ring = Ring::of(fake, TNPDS.offset());
    assert_eq!(ring.words(5).0, OWNED_BY_CARD | WHOLE | 60);
    assert_eq!(fake.dma_read(ring.words(5).1, 60), Some(vec![7; 60]));
    assert_eq!(fake.read_register_u8(address(), 1, TPPOLL.offset()), TPPOLL_NORMAL);
    ring.write(0, 1 << 23);
    interrupt(fake, Causes::TRANSMITTED);
    assert_eq!(count.0.load(Ordering::Relaxed), 1);
    assert_eq!(fake.read_register_u16(address(), 1, IMR.offset()) & Causes::TRANSMIT.bits(), 0);
    assert!(card.transmit(&mut context).is_some());
    assert_eq!((card.counters().sent(), card.counters().send_errors()), (FRAMES.into(), 1));
}

#[test]
fn link_and_polling_follow_the_registers() {
    let (fake, mut card) = card();
    let mut context = Context::from_waker(Waker::noop());
    assert!(card.link_state(&mut context) == LinkState::Up);
    fake.write_register_u8(address(), 1, MSR.offset(), MSR_LINK_DOWN);
    interrupt(fake, Causes::LINK);
    assert!(card.link_state(&mut context) == LinkState::Down);
    card.set_polled(true);
    assert_eq!(fake.read_register_u16(address(), 1, IMR.offset()), Causes::LINK.bits());
    // Neither causes that are not enabled, nor those of another function, are claimed.
    interrupt(fake, Causes::RECEIVED);
    interrupt(fake, Causes::empty());
    let rows = fake.machine().interrupt_report();
    assert_eq!(rows.iter().map(|row| row.unclaimed).collect::<Vec<_>>(), [2]);
}

#[test]
fn a_frame_beyond_its_buffer_quarantines_the_card() {
    let (fake, mut card) = card();
    let mut context = Context::from_waker(Waker::noop());
    Ring::of(fake, RDSAR.offset()).write(0, WHOLE | 0x801);
    assert!(card.receive(&mut context).is_none());
    assert!(card.link_state(&mut context) == LinkState::Down && card.transmit(&mut context).is_none());
    assert_eq!(fake.read_config(address(), 4) & 4, 0, "bus mastering is off");
}

proptest! {
    /// Whatever a card writes to its descriptors, there is no panic and no frame larger than its buffer.
    #[test]
    fn arbitrary_descriptors_do_no_harm(steps in proptest::collection::vec((0..FRAMES, any::<u64>(), any::<u64>(), 0..1515_usize), 0..200)) {
        let (fake, mut card) = card();
        let mut context = Context::from_waker(Waker::noop());
        let rings = [RDSAR, TNPDS].map(|ring| Ring::of(fake, ring.offset()));
        for (index, status, bus, length) in steps {
            for ring in &rings {
                let bytes = [(status & !(1 << 11 | 1 << 12)).to_le_bytes(), bus.to_le_bytes()].concat();
                fake.dma_write(ring.1 + 16 * u64::from(index), &bytes).expect("a descriptor");
            }
            if let Some((token, room)) = card.receive(&mut context) {
                token.consume(|frame| assert!((1..=BUFFER_BYTES).contains(&frame.len())));
                room.consume(length, |_| ());
            }
            if let Some(room) = card.transmit(&mut context) {
                room.consume(length, |_| ());
            }
        }
    }
}
