//! Tests of the driver on a device made of memory.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::task::Wake;
use alloc::vec;
use core::sync::atomic::{AtomicU32, Ordering};
use core::task::{Context, Waker};

use embassy_net_driver::{Driver as _, LinkState, RxToken as _, TxToken as _};
use proptest::prelude::*;
use switchboard::config::Address;
use switchboard::driver::{ProbeError, attach};
use switchboard::interrupt::{Mode, ModePolicy};
use switchboard_testing::{FakeFunction, FakeMachine};

use super::Vmxnet3;
use super::registers::*;
use super::ring::{BUFFER_BYTES, RX_COMPLETIONS, RX_FRAMES, TX_FRAMES};
use crate::interfaces::network::NetworkCard as _;

const GSI: u32 = 10;
const SET: u64 = 1 << 63;
const WHOLE: u64 = 3 << 14;

fn address() -> Address {
    Address::new(0, 0, 3, 0)
}

/// Makes a device that returns `result` for each command, and attaches the driver.
fn attached(policy: ModePolicy, revisions: u32, result: u32) -> (&'static FakeMachine, Result<Vmxnet3, ProbeError>) {
    let function = FakeFunction::new(0x15ad, 0x07b0).at("00:03.0").bar(0, 0x1000).bar(1, 0x1000).bar(2, 0x2000);
    let function = function.pin(1, 10).msi(1).msix(25, 2, 0, 0x1000);
    let fake: &FakeMachine = Box::leak(Box::new(FakeMachine::with_policy(policy, [function])));
    for (register, value) in [(&VRRS, revisions), (&UVRS, 1), (&MACL, 0x1200_5452), (&MACH, 0x5634)] {
        fake.write_register(address(), 1, register.offset(), value);
    }
    fake.on_read(address(), 1, move |read| match read.offset {
        0x20 if read.value == u64::from(GET_LINK) => 1,
        0x20 => result.into(),
        _ => read.value,
    });
    (fake, attach(fake.machine().take_all().remove(0)))
}

fn card(policy: ModePolicy) -> (&'static FakeMachine, Vmxnet3) {
    let (fake, card) = attached(policy, 1, 0);
    (fake, card.expect("a device"))
}

/// The device's side of the structures.
struct Device(&'static FakeMachine);

impl Device {
    fn word(&self, bus: u64) -> u64 {
        let bytes = self.0.dma_read(bus, 8).expect("DMA memory");
        u64::from_le_bytes(bytes.try_into().expect("8 bytes"))
    }

    fn shared(&self) -> u64 {
        let half = |offset| u64::from(self.0.read_register(address(), 1, offset));
        half(0x10) | half(0x18) << 32
    }

    /// Returns the address of the descriptors or completions that a queue's descriptor has at `offset`.
    fn ring(&self, offset: u64) -> u64 {
        self.word(self.word(self.shared() + 40) + offset)
    }

    fn tx(&self) -> u64 {
        self.ring(16)
    }

    fn tx_completions(&self) -> u64 {
        self.ring(32)
    }

    fn rx(&self) -> u64 {
        self.ring(256 + 16)
    }

    fn rx_completions(&self) -> u64 {
        self.ring(256 + 32)
    }

    fn complete(&self, completions: u64, index: u16, first: u64, second: u64) {
        let bytes = [first.to_le_bytes(), second.to_le_bytes()].concat();
        self.0.dma_write(completions + 16 * u64::from(index), &bytes).expect("DMA memory");
    }

    /// Writes a frame to a receive descriptor, and the `count`-th completion.
    fn receive(&self, count: u16, descriptor: u16, frame: &[u8]) {
        let buffer = self.word(self.rx() + 16 * u64::from(descriptor));
        self.0.dma_write(buffer, frame).expect("a buffer");
        let generation = if (count / RX_COMPLETIONS).is_multiple_of(2) { SET } else { 0 };
        let first = u64::from(descriptor) | WHOLE;
        self.complete(self.rx_completions(), count % RX_COMPLETIONS, first, frame.len() as u64 | generation);
    }

    fn set_events(&self, events: u32) {
        self.0.dma_write(self.shared() + 696, &events.to_le_bytes()).expect("DMA memory");
    }
}

fn mask(fake: &FakeMachine, number: u64) -> u32 {
    fake.read_register(address(), 0, 8 * number)
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
fn the_structures_have_their_layout() {
    let (fake, card) = card(ModePolicy::all());
    assert_eq!((card.mode(), card.mac()), (Mode::Msix, [0x52, 0x54, 0, 0x12, 0x34, 0x56]));
    let device = Device(fake);
    let shared = device.shared();
    assert_eq!(device.word(shared), 0xbabe_fee1);
    assert_eq!(device.word(shared + 48), 512 << 32, "bytes of the queues' descriptors");
    assert_eq!(device.word(shared + 56), 1500 | 1 << 32 | 1 << 48 | 1 << 56, "MTU, and one queue each");
    assert_eq!(
        device.word(shared + 80) & 0xff_ffff,
        1 | 3 << 8 | 2 << 16,
        "masks by itself; 3 interrupts, the last for events"
    );
    assert_eq!(device.word(shared + 120), 1 | 1 << 2 | 1 << 3, "not promiscuous");
    let queues = device.word(shared + 40);
    assert_eq!(device.word(queues + 56), u64::from(TX_FRAMES) | u64::from(TX_FRAMES) << 32);
    assert_eq!((device.word(queues + 72), device.word(queues + 256 + 72)), (1, 0), "the interrupts of the queues");
    assert_eq!([0, 1, 2].map(|number| mask(fake, number)), [0, 1, 0]);
    drop(card);
    assert_eq!((fake.read_register(address(), 1, CMD.offset()), fake.dma_pages()), (RESET, 0));
}

#[test]
fn a_device_of_another_revision_or_that_refuses_is_an_error() {
    let (_, other) = attached(ModePolicy::all(), 2, 0);
    assert!(matches!(other, Err(ProbeError::Device(reason)) if reason.contains("revision")));
    let (fake, refused) = attached(ModePolicy::all(), 1, 1);
    assert!(matches!(refused, Err(ProbeError::Device(reason)) if reason.contains("refuses")));
    assert_eq!(fake.dma_pages(), 0);
}

#[test]
fn frames_go_round_both_rings() {
    let (fake, mut card) = card(ModePolicy::all());
    let (count, waker) = counted();
    let mut context = Context::from_waker(&waker);
    let device = Device(fake);
    for number in 0..3 * RX_COMPLETIONS {
        assert!(card.receive(&mut context).is_none());
        assert_eq!(mask(fake, 0), 0, "unmasked before the task waits");
        device.receive(number, number % RX_FRAMES, &number.to_le_bytes());
        fake.write_register(address(), 0, 0, 1);
        fake.send(address(), 0).expect("sent");
        assert_eq!(count.0.swap(0, Ordering::Relaxed), 1);
        let (token, _) = card.receive(&mut context).expect("a frame");
        token.consume(|frame| assert_eq!(frame, number.to_le_bytes()));
    }
    // All but one descriptor are the device's: the one before the next.
    let next = 3 * RX_COMPLETIONS % RX_FRAMES;
    let generation = |index: u16| device.word(device.rx() + 16 * u64::from(index) + 8) >> 31 & 1;
    assert_ne!(generation(next - 1), generation(next - 2), "the spare one is of the round before");
    assert_eq!(fake.read_register(address(), 0, RXPROD.offset()), u32::from(next) - 1);
}

#[test]
fn skipped_and_damaged_frames_are_dropped() {
    let (fake, mut card) = card(ModePolicy::all());
    let mut context = Context::from_waker(Waker::noop());
    let device = Device(fake);
    device.receive(0, 3, b"after three");
    let (token, _) = card.receive(&mut context).expect("a frame");
    token.consume(|frame| assert_eq!(frame, b"after three"));
    assert_eq!(card.counters().dropped(), 3);
    device.complete(device.rx_completions(), 1, 4 | WHOLE, SET | 64 | 1 << 14);
    device.complete(device.rx_completions(), 2, 5 | 1 << 15, SET | 64);
    assert!(card.receive(&mut context).is_none());
    assert_eq!(card.counters().dropped(), 5);
}

#[test]
fn a_full_ring_wakes_the_task_after_a_completion() {
    let (fake, mut card) = card(ModePolicy::all());
    let (count, waker) = counted();
    let mut context = Context::from_waker(&waker);
    while let Some(token) = card.transmit(&mut context) {
        token.consume(60, |frame| frame.fill(7));
    }
    let device = Device(fake);
    let descriptor = device.tx() + 16 * 15;
    assert_eq!(device.word(descriptor + 8), 60 | 1 << 14 | 3 << 44, "generation, end, completion");
    assert_eq!(fake.dma_read(device.word(descriptor), 60), Some(vec![7; 60]));
    assert_eq!(fake.read_register(address(), 0, TXPROD.offset()), u32::from(TX_FRAMES) - 1);
    assert_eq!(mask(fake, 1), 0);
    device.complete(device.tx_completions(), 0, 15, SET);
    fake.send(address(), 1).expect("sent");
    assert_eq!(count.0.load(Ordering::Relaxed), 1);
    assert!(card.transmit(&mut context).is_some());
}

#[test]
fn events_are_link_changes_or_the_end() {
    let (fake, mut card) = card(ModePolicy::all());
    let (count, waker) = counted();
    let mut context = Context::from_waker(&waker);
    assert!(card.link_state(&mut context) == LinkState::Up);
    fake.on_read(address(), 1, |read| if read.offset == 0x20 { 0 } else { read.value });
    Device(fake).set_events(EVENT_LINK);
    fake.send(address(), 2).expect("sent");
    assert_eq!(count.0.load(Ordering::Relaxed), 1);
    assert!(card.link_state(&mut context) == LinkState::Down);
    assert_eq!(fake.read_register(address(), 1, ECR.offset()), EVENT_LINK);
    Device(fake).set_events(EVENT_QUEUE_ERROR);
    card.link_state(&mut context);
    assert!(card.transmit(&mut context).is_none());
    assert_eq!(fake.read_config(address(), 4) & 4, 0, "bus mastering is off");
}

#[test]
fn one_interrupt_serves_all() {
    for policy in [ModePolicy::MSI, ModePolicy::INTX] {
        let (fake, mut card) = card(policy);
        let (count, waker) = counted();
        assert!(card.receive(&mut Context::from_waker(&waker)).is_none());
        fake.write_register(address(), 1, ICR.offset(), 1);
        if fake.send(address(), 0).is_none() {
            assert!(fake.assert_line(GSI));
            fake.write_register(address(), 1, ICR.offset(), 0);
            assert!(fake.assert_line(GSI));
            assert_eq!(fake.machine().interrupt_report()[0].unclaimed, 1);
        }
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
        card.set_polled(true);
        assert_eq!(mask(fake, 0), 1);
    }
}

#[test]
fn impossible_reports_quarantine_the_device() {
    let reports: [fn(&Device); 4] = [
        |device| device.complete(device.rx_completions(), 0, WHOLE, SET | 2049),
        |device| device.complete(device.rx_completions(), 0, WHOLE | (u64::from(RX_FRAMES) - 1), SET | 64),
        |device| device.complete(device.rx_completions(), 0, WHOLE | 0xfff, SET | 64),
        |device| device.complete(device.rx_completions(), 0, WHOLE | 1 << 16, SET | 64),
    ];
    for report in reports {
        let (fake, mut card) = card(ModePolicy::all());
        let mut context = Context::from_waker(Waker::noop());
        report(&Device(fake));
        assert!(card.receive(&mut context).is_none() && card.transmit(&mut context).is_none());
        assert_eq!(fake.read_config(address(), 4) & 4, 0, "bus mastering is off");
    }
    let (fake, mut card) = card(ModePolicy::all());
    let mut context = Context::from_waker(Waker::noop());
    let device = Device(fake);
    device.complete(device.tx_completions(), 0, 63, SET);
    while let Some(token) = card.transmit(&mut context) {
        token.consume(60, |_| ());
    }
    assert_eq!(fake.read_config(address(), 4) & 4, 0, "a descriptor that was never used");
}

proptest! {
    /// Whatever a device writes to its rings, there is no panic and no frame larger than its buffer.
    #[test]
    fn arbitrary_completions_do_no_harm(steps in proptest::collection::vec((0..RX_COMPLETIONS, any::<u64>(), any::<u64>(), 0..1515_usize), 0..200)) {
        let (fake, mut card) = card(ModePolicy::all());
        let mut context = Context::from_waker(Waker::noop());
        let device = Device(fake);
        let (rx, tx) = (device.rx_completions(), device.tx_completions());
        for (index, first, second, length) in steps {
            // Indices and lengths are often possible ones.
            device.complete(rx, index, first & !0xf80 & !(0x3ff << 16) | WHOLE, second & !0x3800);
            device.complete(tx, index % TX_FRAMES, first & 0x3f, second);
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
