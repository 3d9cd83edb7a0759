//! Any order of operations on both sides, against a model: nothing is lost, swapped or made up, and nobody who sleeps
//! is left to sleep.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;

use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_oneof, proptest};
use switchboard::dma::DmaBuffer;

use super::{Chain, QueueError, QueueParameters, RingFeatures, Segments, SplitQueue};
use crate::virtio::testing::{DeviceQueue, TakenChain, dma};

#[derive(Debug, Clone)]
enum Operation {
    /// The driver offers a chain: segments to read, segments to write.
    Submit(u8, u8),
    Complete,
    /// The driver looks whether to kick, as it must before it waits.
    Kick,
    /// The driver goes to sleep.
    Arm(u16),
    Disarm,
    /// The device takes a chain, if it is awake.
    Take,
    /// The device gives back one of those it took.
    Give(usize),
    /// The device goes to sleep if it has nothing to take.
    Sleep,
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        4 => (0..3_u8, 0..3_u8).prop_map(|(read, written)| Operation::Submit(read, written)),
        3 => Just(Operation::Complete),
        2 => Just(Operation::Kick),
        2 => (1..5_u16).prop_map(Operation::Arm),
        1 => Just(Operation::Disarm),
        4 => Just(Operation::Take),
        4 => any::<usize>().prop_map(Operation::Give),
        2 => Just(Operation::Sleep),
    ]
}

/// A chain with a name, in its first bytes and in the driver's books.
struct Named {
    name: u32,
    buffer: DmaBuffer,
    shape: (u8, u8),
}

const PIECE: usize = 8;

impl Chain for Named {
    fn describe(&self, segments: &mut Segments) {
        let (read, written) = (usize::from(self.shape.0), usize::from(self.shape.1));
        (0..read).for_each(|index| segments.readable(&self.buffer, index * PIECE..(index + 1) * PIECE));
        (read..read + written).for_each(|index| segments.writable(&self.buffer, index * PIECE..(index + 1) * PIECE));
    }
}

proptest! {
    #[test]
    fn nothing_is_lost_and_nobody_sleeps_on(bits in 0..4_u64, size in 0..4_u32, operations in vec(operation(), 1..400)) {
        play(RingFeatures::from_bits_truncate(bits << 28), 1 << size, operations);
    }
}

fn play(features: RingFeatures, size: u16, operations: Vec<Operation>) {
    let (machine, dma) = dma();
    let mut queue = SplitQueue::new(&dma, features, QueueParameters { size, max_segments: 4 }).expect("memory");
    let mut device_queue = DeviceQueue::new(&machine, queue.addresses(), size, features);
    let (mut offered, mut taken) = (VecDeque::new(), Vec::<(u32, TakenChain)>::new());
    let (mut given, mut used) = (VecDeque::new(), BTreeMap::new());
    let (mut is_device_asleep, mut wakes_after) = (false, None);
    for (name, operation) in (0_u32..).zip(operations) {
        match operation {
            Operation::Submit(read, written) => {
                let mut buffer = dma.buffer(64).expect("memory");
                buffer[..4].copy_from_slice(&name.to_le_bytes());
                match queue.submit(Named { name, buffer, shape: (read, written) }) {
                    Ok(()) => offered.push_back((name, read, written)),
                    Err((QueueError::Full { wanted, free }, _)) => assert!(wanted > free && free == queue.free()),
                    Err((error, _)) => assert_eq!((error, read, written), (QueueError::Empty, 0, 0)),
                }
            }
            Operation::Complete => match queue.complete().expect("a good device") {
                Some((chain, length)) => assert_eq!(given.pop_front(), Some((chain.name, length))),
                None => assert!(given.is_empty()),
            },
            Operation::Kick => {
                let is_kicked = queue.needs_kick();
                assert!(is_kicked || offered.is_empty() || !is_device_asleep, "the device sleeps on");
                is_device_asleep &= !is_kicked;
            }
            Operation::Arm(count) => {
                let have_come = queue.enable_notifications_after(count);
                let waits_for = match features.contains(RingFeatures::EVENT_INDEX) {
                    true => usize::from(count.clamp(1, queue.in_flight().max(1))),
                    false => 1,
                };
                assert_eq!(have_come, given.len() >= waits_for);
                wakes_after = (!have_come).then(|| waits_for - given.len());
            }
            Operation::Disarm => {
                queue.disable_notifications();
                wakes_after = None;
            }
            Operation::Take if is_device_asleep => {}
            Operation::Take => {
                let chain = device_queue.take();
                assert_eq!(chain.is_some(), !offered.is_empty());
                if let (Some(chain), Some((name, read, written))) = (chain, offered.pop_front()) {
                    let kinds: Vec<_> = chain.segments.iter().map(|piece| piece.is_writable).collect();
                    let wanted = (0..read).map(|_| false).chain((0..written).map(|_| true));
                    assert!(kinds.iter().copied().eq(wanted), "{kinds:?}");
                    assert_eq!(device_queue.read(chain.segments[0].address, 4), name.to_le_bytes());
                    assert!(used.insert(chain.head, name).is_none(), "a descriptor in two chains");
                    taken.push((name, chain));
                }
            }
            Operation::Give(_) if taken.is_empty() => {}
            Operation::Give(index) => {
                let (name, chain) = taken.swap_remove(index % taken.len());
                used.remove(&chain.head);
                let length = chain.segments.iter().filter(|piece| piece.is_writable).map(|piece| piece.length).sum();
                let interrupts = device_queue.give(chain.head.into(), length);
                given.push_back((name, length));
                wakes_after = wakes_after.map(|left| left - 1);
                if wakes_after == Some(0) {
                    assert!(interrupts, "the driver sleeps on");
                    wakes_after = None;
                }
            }
            Operation::Sleep => is_device_asleep = offered.is_empty() && !device_queue.sleep(),
        }
    }
}
