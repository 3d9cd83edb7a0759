//! Tests of the rings, with good and faulty devices.

use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use proptest::prelude::*;
use switchboard_testing::FakeMachine;

use super::super::descriptors::{Extended, Layout, Legacy};
use super::super::rx_ring::{self, RxFault, RxRing};
use super::super::tx_ring::{self, TxRing};
use super::{DeviceRing, dma, machine};
use crate::interfaces::network::CardCounters;
use crate::ring_nic::TransmitRing as _;

const DONE: u8 = 1;
const END: u8 = 2;

fn rx(fake: &FakeMachine) -> (RxRing<Legacy>, DeviceRing<'_>, Arc<CardCounters>) {
    let counters = Arc::new(CardCounters::default());
    let ring = RxRing::new(&dma(fake), counters.clone()).expect("memory");
    let bus = ring.bus().get();
    (ring, DeviceRing { fake, bus }, counters)
}

fn tx(fake: &FakeMachine) -> (TxRing<Legacy>, DeviceRing<'_>, Arc<CardCounters>) {
    let counters = Arc::new(CardCounters::default());
    let ring = TxRing::new(&dma(fake), counters.clone()).expect("memory");
    let bus = ring.bus().get();
    (ring, DeviceRing { fake, bus }, counters)
}

fn push(ring: &mut TxRing<Legacy>, frame: &[u8]) {
    ring.buffer()[..frame.len()].copy_from_slice(frame);
    ring.push(frame.len());
}

#[test]
fn frames_arrive_in_order_around_the_ring() {
    let fake = machine();
    let (mut ring, device, counters) = rx(&fake);
    for round in 0..3 * rx_ring::FRAMES {
        assert_eq!(ring.poll(), Ok(None));
        let frame = round.to_le_bytes();
        device.receive(round % rx_ring::FRAMES, &frame, DONE | END, 0);
        assert_eq!(ring.poll(), Ok(Some(2)));
        assert_eq!(ring.frame(2), frame);
        ring.release();
        ring.tail_update();
    }
    assert_eq!(counters.dropped(), 0);
}

#[test]
fn a_frame_is_found_until_it_is_released() {
    let fake = machine();
    let (mut ring, device, _) = rx(&fake);
    device.receive(0, b"once", DONE | END, 0);
    assert_eq!(ring.poll(), Ok(Some(4)));
    assert_eq!(ring.poll(), Ok(Some(4)));
}

#[test]
fn one_descriptor_stays_out_and_the_others_return_in_batches() {
    let fake = machine();
    let (mut ring, device, _) = rx(&fake);
    assert_eq!(ring.tail(), rx_ring::FRAMES - 1);
    // The device writes all descriptors, also the one at the tail, which it does not own.
    for index in 0..rx_ring::FRAMES {
        device.receive(index, b"full", DONE | END, 0);
    }
    let mut updates = Vec::new();
    let mut frames = 0;
    while updates.len() < 2 {
        assert_eq!(ring.poll(), Ok(Some(4)));
        ring.release();
        frames += 1;
        updates.extend(ring.tail_update());
    }
    assert_eq!((frames, updates), (32, vec![15, 31]));
}

#[test]
fn the_descriptor_at_the_tail_is_ignored() {
    let fake = machine();
    let (mut ring, device, _) = rx(&fake);
    for index in 0..rx_ring::FRAMES {
        device.receive(index, b"full", DONE | END, 0);
    }
    // Without a write to the tail register, the device runs out of descriptors.
    for _ in 0..rx_ring::FRAMES - 1 {
        assert_eq!(ring.poll(), Ok(Some(4)));
        ring.release();
    }
    assert_eq!(ring.poll(), Ok(None));
    assert_eq!(ring.tail_update(), Some(rx_ring::FRAMES - 2));
    // The descriptor is passed to the device with its "done" bit, which now counts.
    assert_eq!(ring.poll(), Ok(Some(4)));
}

#[test]
fn descriptors_done_out_of_order_wait_their_turn() {
    let fake = machine();
    let (mut ring, device, _) = rx(&fake);
    device.receive(1, b"second", DONE | END, 0);
    assert_eq!(ring.poll(), Ok(None));
    device.receive(0, b"first", DONE | END, 0);
    assert_eq!(ring.poll(), Ok(Some(5)));
}

#[test]
fn errors_empty_and_partial_frames_are_dropped_and_counted() {
    let fake = machine();
    let (mut ring, device, counters) = rx(&fake);
    for (index, error) in [0x01, 0x02, 0x04, 0x10, 0x80].into_iter().enumerate() {
        device.receive(u16::try_from(index).expect("few"), b"bad", DONE | END, error);
    }
    device.receive(5, b"", DONE | END, 0);
    // Three parts of one frame are dropped.
    device.receive(6, b"part", DONE, 0);
    device.receive(7, b"part", DONE, 0);
    device.receive(8, b"part", DONE | END, 0);
    // The stack checks checksums.
    device.receive(9, b"good", DONE | END, 0x60);
    assert_eq!(ring.poll(), Ok(Some(4)));
    assert_eq!(ring.frame(4), b"good");
    assert_eq!(counters.dropped(), 9);
}

#[test]
fn a_length_beyond_the_buffer_is_a_fault() {
    let fake = machine();
    let (mut ring, device, _) = rx(&fake);
    device.write_back(0, 2048, DONE | END, 0);
    assert_eq!(ring.poll(), Ok(Some(2048)));
    ring.release();
    device.write_back(1, 2049, DONE | END, 0);
    assert_eq!(ring.poll(), Err(RxFault::TooLong { length: 2049 }));
}

#[test]
fn an_overwritten_address_is_restored() {
    let fake = machine();
    let (mut ring, device, _) = rx(&fake);
    let buffer = device.buffer(0);
    let mut descriptor = device.read(0);
    descriptor[..8].fill(0xee);
    device.write(0, descriptor);
    device.write_back(0, 60, DONE | END, 0);
    assert_eq!(ring.poll(), Ok(Some(60)));
    ring.release();
    assert_eq!((device.buffer(0), device.read(0)[12]), (buffer, 0));
}

#[test]
fn a_transmit_ring_fills_reports_every_sixteenth_and_empties() {
    let fake = machine();
    let (mut ring, device, counters) = tx(&fake);
    for round in 0..5_u16 {
        let mut pushed = 0_u16;
        while !ring.is_full() {
            push(&mut ring, &pushed.to_le_bytes());
            pushed += 1;
        }
        assert!(pushed >= 48, "round {round}: {pushed}");
        ring.tail_update().expect("frames were pushed");
        assert_eq!(ring.tail_update(), None);
        ring.reclaim();
        assert!(ring.is_full());
        for index in (0..tx_ring::FRAMES).filter(|index| device.read(*index)[11] & 8 != 0) {
            assert_eq!(index % 16, 15);
            device.report(index, DONE);
        }
        ring.reclaim();
        assert!(!ring.is_full());
    }
    assert_eq!((device.sent(0).1 & 3, counters.send_errors()), (3, 0));
}

#[test]
fn descriptors_that_were_not_submitted_are_not_reclaimed() {
    let fake = machine();
    let (mut ring, device, _) = tx(&fake);
    while !ring.is_full() {
        push(&mut ring, b"frame");
    }
    for index in 0..tx_ring::FRAMES {
        device.report(index, DONE);
    }
    ring.reclaim();
    assert!(ring.is_full());
    assert_eq!(ring.unsubmitted(), tx_ring::FRAMES - 1);
}

#[test]
fn reports_are_taken_in_order() {
    let fake = machine();
    let (mut ring, device, counters) = tx(&fake);
    while !ring.is_full() {
        push(&mut ring, b"frame");
    }
    ring.tail_update();
    device.report(31, DONE);
    ring.reclaim();
    assert!(ring.is_full());
    // Late collision.
    device.report(15, DONE | 4);
    ring.reclaim();
    assert!(!ring.is_full());
    assert_eq!(counters.send_errors(), 1);
}

#[derive(Debug, Clone)]
enum Step {
    Scribble(u16, [u8; 16]),
    Poll,
    Push(usize),
    Submit,
}

fn step() -> impl Strategy<Value = Step> {
    // The "done" bit is set often, since the rest is ignored without it.
    let scribble = (0..rx_ring::FRAMES, any::<[u8; 16]>(), any::<bool>()).prop_map(|(index, mut bytes, done)| {
        // In the place of the status of either layout.
        bytes[12] |= u8::from(done);
        bytes[8] |= u8::from(done);
        bytes[9] &= 0x0f;
        bytes[13] &= 0x0f;
        Step::Scribble(index, bytes)
    });
    prop_oneof![4 => scribble, 2 => Just(Step::Poll), 2 => (0..1515_usize).prop_map(Step::Push), 1 => Just(Step::Submit)]
}

proptest! {
    /// For anything that a device writes to its descriptors, there is no panic and no frame larger than its buffer, and only
    /// descriptors that the device owned are reclaimed.
    #[test]
    fn arbitrary_descriptors_do_no_harm(steps in proptest::collection::vec(step(), 0..400)) {
        scribbled::<Legacy>(&steps)?;
        scribbled::<Extended>(&steps)?;
    }
}

fn scribbled<L: Layout>(steps: &[Step]) -> Result<(), TestCaseError> {
    let fake = machine();
    let dma = dma(&fake);
    let counters = Arc::new(CardCounters::default());
    let mut rx = RxRing::<L>::new(&dma, counters.clone()).expect("memory");
    let mut tx = TxRing::<L>::new(&dma, counters).expect("memory");
    let (rx_device, tx_device) =
        (DeviceRing { fake: &fake, bus: rx.bus().get() }, DeviceRing { fake: &fake, bus: tx.bus().get() });
    for step in steps.iter().cloned() {
        match step {
            Step::Scribble(index, bytes) => {
                rx_device.write(index, bytes);
                tx_device.write(index % tx_ring::FRAMES, bytes);
            }
            Step::Poll => match rx.poll() {
                Ok(Some(length)) => {
                    prop_assert!(length <= rx.frame(length).len());
                    rx.release();
                    prop_assert!(rx.tail_update().is_none_or(|tail| tail < rx_ring::FRAMES));
                }
                Ok(None) => {}
                Err(RxFault::TooLong { length }) => prop_assert!(length > 2048),
            },
            Step::Push(length) => {
                tx.reclaim();
                if !tx.is_full() {
                    tx.buffer()[..length].fill(0xaa);
                    tx.push(length);
                }
                prop_assert!(tx.unsubmitted() < tx_ring::FRAMES);
            }
            Step::Submit => prop_assert!(tx.tail_update().is_none_or(|tail| tail < tx_ring::FRAMES)),
        }
    }
    Ok(())
}
