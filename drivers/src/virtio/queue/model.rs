//! Random operations of driver and device, checked against a model: no chain is lost, swapped or duplicated, and a side that sleeps
//! is notified.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;

use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_oneof, proptest};
use switchboard::dma::DmaBuffer;

use super::{Chain, QueueError, QueueParameters, RingFeatures, Segments, SplitQueue};
use crate::virtio::testing::{DeviceQueue, TakenChain, dma};

#[derive(Debug, Clone)]
enum Operation {
    /// The driver submits a chain, with numbers of segments to read and to write.
    Submit(u8, u8),
    Complete,
    /// The driver decides whether to kick, as it must before it sleeps.
    Kick,
    /// The driver requests an interrupt, and sleeps.
    Enable(u16),
    Disable,
    /// The device takes a chain, if it is awake.
    Take,
    /// The device uses one of those that it took.
    Use(usize),
    /// The device sleeps if there is no chain to take.
    Sleep,
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        4 => (0..3_u8, 0..3_u8).prop_map(|(read, written)| Operation::Submit(read, written)),
        3 => Just(Operation::Complete),
        2 => Just(Operation::Kick),
        2 => (1..5_u16).prop_map(Operation::Enable),
        1 => Just(Operation::Disable),
        4 => Just(Operation::Take),
        4 => any::<usize>().prop_map(Operation::Use),
        2 => Just(Operation::Sleep),
    ]
}

/// A chain with a number, which is also in its first bytes.
struct Numbered {
    number: u32,
    buffer: DmaBuffer,
    /// Segments to read, and to write.
    segments: (u8, u8),
}

/// Bytes of a segment.
const SEGMENT_BYTES: usize = 8;

impl Chain for Numbered {
    fn describe(&self, segments: &mut Segments) {
        let (read, written) = (usize::from(self.segments.0), usize::from(self.segments.1));
        (0..read).for_each(|index| segments.readable(&self.buffer, index * SEGMENT_BYTES..(index + 1) * SEGMENT_BYTES));
        (read..read + written)
            .for_each(|index| segments.writable(&self.buffer, index * SEGMENT_BYTES..(index + 1) * SEGMENT_BYTES));
    }
}

proptest! {
    #[test]
    fn no_chain_is_lost_and_sleepers_are_notified(bits in 0..4_u64, size in 0..4_u32, operations in vec(operation(), 1..400)) {
        run_operations(RingFeatures::from_bits_truncate(bits << 28), 1 << size, operations);
    }
}

fn run_operations(features: RingFeatures, size: u16, operations: Vec<Operation>) {
    let (machine, dma) = dma();
    let mut queue = SplitQueue::new(&dma, features, QueueParameters { size, max_segments: 4 }).expect("memory");
    let mut device_queue = DeviceQueue::new(&machine, queue.addresses(), size, features);
    let (mut offered, mut taken) = (VecDeque::new(), Vec::<(u32, TakenChain)>::new());
    let (mut completed, mut used) = (VecDeque::new(), BTreeMap::new());
    let (mut is_device_asleep, mut wakes_after) = (false, None);
    for (number, operation) in (0_u32..).zip(operations) {
        match operation {
            Operation::Submit(read, written) => {
                let mut buffer = dma.buffer(64).expect("memory");
                buffer[..4].copy_from_slice(&number.to_le_bytes());
                match queue.submit(Numbered { number, buffer, segments: (read, written) }) {
                    Ok(()) => offered.push_back((number, read, written)),
                    Err((QueueError::Full { wanted, free }, _)) => assert!(wanted > free && free == queue.free()),
                    Err((error, _)) => assert_eq!((error, read, written), (QueueError::Empty, 0, 0)),
                }
            }
            Operation::Complete => match queue.complete().expect("a good device") {
                Some((chain, length)) => assert_eq!(completed.pop_front(), Some((chain.number, length))),
                None => assert!(completed.is_empty()),
            },
            Operation::Kick => {
                let is_kicked = queue.needs_kick();
                assert!(is_kicked || offered.is_empty() || !is_device_asleep, "the device is not kicked");
                is_device_asleep &= !is_kicked;
            }
            Operation::Enable(count) => {
                let are_used = queue.enable_notifications_after(count);
                let waits_for = match features.contains(RingFeatures::EVENT_INDEX) {
                    true => usize::from(count.clamp(1, queue.in_flight().max(1))),
                    false => 1,
                };
                assert_eq!(are_used, completed.len() >= waits_for);
                wakes_after = (!are_used).then(|| waits_for - completed.len());
            }
            Operation::Disable => {
                queue.disable_notifications();
                wakes_after = None;
            }
            Operation::Take if is_device_asleep => {}
            Operation::Take => {
                let chain = device_queue.take();
                assert_eq!(chain.is_some(), !offered.is_empty());
                if let (Some(chain), Some((number, read, written))) = (chain, offered.pop_front()) {
                    let kinds: Vec<_> = chain.segments.iter().map(|piece| piece.is_writable).collect();
                    let wanted = (0..read).map(|_| false).chain((0..written).map(|_| true));
                    assert!(kinds.iter().copied().eq(wanted), "{kinds:?}");
                    assert_eq!(device_queue.read(chain.segments[0].address, 4), number.to_le_bytes());
                    assert!(used.insert(chain.head, number).is_none(), "a descriptor in two chains");
                    taken.push((number, chain));
                }
            }
            Operation::Use(_) if taken.is_empty() => {}
            Operation::Use(index) => {
                let (number, chain) = taken.swap_remove(index % taken.len());
                used.remove(&chain.head);
                let length = chain.segments.iter().filter(|piece| piece.is_writable).map(|piece| piece.length).sum();
                let interrupts = device_queue.complete(chain.head.into(), length);
                completed.push_back((number, length));
                wakes_after = wakes_after.map(|left| left - 1);
                if wakes_after == Some(0) {
                    assert!(interrupts, "the driver gets no interrupt");
                    wakes_after = None;
                }
            }
            Operation::Sleep => is_device_asleep = offered.is_empty() && !device_queue.enable_kicks(),
        }
    }
}
