//! Tests of the protocol, with good and faulty devices.

use alloc::vec::Vec;
use core::num::NonZeroU64;

use switchboard::dma::DmaBuffer;

use super::{Chain, QueueError, QueueParameters, RingFeatures, Segments, SplitQueue};
use crate::virtio::testing::{DeviceQueue, TakenChain, dma};

/// A chain with a number, and `segments` of one buffer: their lengths, and whether the device writes them.
struct Numbered {
    number: usize,
    buffer: DmaBuffer,
    segments: Vec<(usize, bool)>,
}

impl Chain for Numbered {
    fn describe(&self, segments: &mut Segments) {
        let mut start = 0;
        for (length, is_writable) in &self.segments {
            let range = start..start + length;
            start += length;
            match is_writable {
                true => segments.writable(&self.buffer, range),
                false => segments.readable(&self.buffer, range),
            }
        }
    }
}

struct Bench {
    queue: SplitQueue<Numbered>,
    device_queue: DeviceQueue,
    buffers: Vec<DmaBuffer>,
}

impl Bench {
    fn new(features: RingFeatures, size: u16, max_segments: u16) -> Self {
        let (machine, dma) = dma();
        let queue = SplitQueue::new(&dma, features, QueueParameters { size, max_segments }).expect("memory");
        let device_queue = DeviceQueue::new(&machine, queue.addresses(), size, features);
        let buffers = dma.buffers(usize::from(size) + 1, 64).expect("memory");
        Self { queue, device_queue, buffers }
    }

    fn submit(&mut self, number: usize, segments: &[(usize, bool)]) -> Result<(), QueueError> {
        let buffer = self.buffers.pop().expect("a buffer");
        self.queue.submit(Numbered { number, buffer, segments: segments.into() }).map_err(|(error, chain)| {
            self.buffers.push(chain.buffer);
            error
        })
    }

    fn complete(&mut self) -> Result<Option<(usize, u32)>, QueueError> {
        let done = self.queue.complete()?;
        Ok(done.map(|(chain, length)| {
            self.buffers.push(chain.buffer);
            (chain.number, length)
        }))
    }

    fn take(&mut self) -> TakenChain {
        self.device_queue.take().expect("a chain was offered")
    }

    /// Takes all chains and uses the last one. Returns whether the driver requests an interrupt.
    fn take_last(&mut self) -> bool {
        let mut head = None;
        while let Some(taken) = self.device_queue.take() {
            head = Some(taken.head);
        }
        self.device_queue.complete(head.expect("a chain").into(), 0)
    }
}

const ALL: RingFeatures = RingFeatures::all();
const NONE: RingFeatures = RingFeatures::empty();
const WRITABLE: [(usize, bool); 1] = [(64, true)];

/// More rounds than an index has values.
const ROUNDS: usize = 66_000;

#[test]
fn indices_wrap_around() {
    for features in [NONE, ALL] {
        let mut bench = Bench::new(features, 4, 3);
        for round in 0..ROUNDS {
            bench.submit(round, &[(16, false), (32, true), (1, true)]).expect("room");
            let taken = bench.take();
            let segments: Vec<_> = taken.segments.iter().map(|piece| (piece.length, piece.is_writable)).collect();
            assert_eq!(segments, [(16, false), (32, true), (1, true)]);
            bench.device_queue.complete(taken.head.into(), 33);
            assert_eq!(bench.complete(), Ok(Some((round, 33))));
            assert_eq!(bench.complete(), Ok(None));
        }
    }
}

#[test]
fn a_full_queue_refuses_a_chain_and_returns_it() {
    let mut bench = Bench::new(NONE, 8, 3);
    for number in 0..2 {
        bench.submit(number, &[(8, false), (8, true), (8, true)]).expect("room");
    }
    assert_eq!(bench.submit(2, &[(8, false), (8, true), (8, true)]), Err(QueueError::Full { wanted: 3, free: 2 }));
    assert_eq!(bench.submit(2, &[(8, false), (8, true)]), Ok(()));
    assert_eq!(bench.submit(3, &WRITABLE), Err(QueueError::Full { wanted: 1, free: 0 }));
    assert_eq!(bench.queue.in_flight(), 3);
}

#[test]
fn an_indirect_chain_takes_one_descriptor() {
    let mut bench = Bench::new(ALL, 4, 3);
    for number in 0..4 {
        bench.submit(number, &[(8, false), (8, true), (8, true)]).expect("room");
    }
    assert_eq!(bench.submit(4, &WRITABLE), Err(QueueError::Full { wanted: 1, free: 0 }));
    // Out of order, as devices may.
    let taken: Vec<_> = (0..4).map(|_| bench.take()).collect();
    for index in [2, 0, 3, 1] {
        assert_eq!(taken[index].segments.len(), 3);
        bench.device_queue.complete(taken[index].head.into(), 0);
        assert_eq!(bench.complete(), Ok(Some((index, 0))));
    }
    assert_eq!(bench.queue.free(), 4);
}

#[test]
fn invalid_chains_are_refused() {
    let mut bench = Bench::new(NONE, 8, 2);
    assert_eq!(bench.submit(0, &[]), Err(QueueError::Empty));
    assert_eq!(bench.submit(0, &[(8, true), (8, false)]), Err(QueueError::ReadableAfterWritable));
    assert_eq!(bench.submit(0, &[(8, false); 3]), Err(QueueError::TooLong { segments: 3, max_segments: 2 }));
    let outside = |start, end| Err(QueueError::OutsideBuffer { start, end, length: 64 });
    assert_eq!(bench.submit(0, &[(32, false), (33, false)]), outside(32, 65));
    assert_eq!(bench.submit(0, &[(0, true)]), outside(0, 0));
    assert_eq!((bench.queue.free(), bench.queue.in_flight()), (8, 0));
}

#[test]
fn an_id_that_the_device_does_not_own_is_an_error() {
    for id in [1, 7, 8, 0x1_0000, u32::MAX] {
        let mut bench = Bench::new(ALL, 8, 1);
        bench.submit(0, &WRITABLE).expect("room");
        assert_eq!(bench.take().head, 0);
        bench.device_queue.complete(id, 0);
        assert_eq!(bench.complete(), Err(QueueError::UnknownId { id }));
        // The queue stays dead, even if the device continues correctly.
        bench.device_queue.complete(0, 0);
        assert_eq!(bench.complete(), Err(QueueError::Dead));
        assert_eq!(bench.submit(1, &WRITABLE), Err(QueueError::Dead));
        assert!(!bench.queue.needs_kick());
    }
}

#[test]
fn a_chain_that_is_returned_twice_is_an_error() {
    let mut bench = Bench::new(ALL, 8, 1);
    for number in 0..2 {
        bench.submit(number, &WRITABLE).expect("room");
    }
    bench.device_queue.complete(1, 0);
    bench.device_queue.complete(1, 0);
    assert_eq!(bench.complete(), Ok(Some((1, 0))));
    assert_eq!(bench.complete(), Err(QueueError::UnknownId { id: 1 }));
}

#[test]
fn a_length_beyond_the_writable_bytes_is_an_error() {
    let mut bench = Bench::new(ALL, 8, 3);
    bench.submit(0, &[(16, false), (31, true), (1, true)]).expect("room");
    bench.device_queue.complete(0, 33);
    assert_eq!(bench.complete(), Err(QueueError::Overlong { id: 0, length: 33, writable: 32 }));
    // The queue keeps the chain, since the device may still write to it.
    assert_eq!(bench.queue.in_flight(), 1);
}

#[test]
fn an_index_that_jumps_is_an_error() {
    for (jump, in_flight) in [(2, 1), (0x8000, 1), (0xffff, 1), (1, 0)] {
        let mut bench = Bench::new(ALL, 8, 1);
        if in_flight == 1 {
            bench.submit(0, &WRITABLE).expect("room");
        }
        bench.device_queue.set_used(jump);
        assert_eq!(bench.complete(), Err(QueueError::IndexJump { advanced: jump, in_flight }));
    }
}

#[test]
fn interrupts_are_requested_and_suppressed() {
    for features in [NONE, ALL] {
        let mut bench = Bench::new(features, 4, 1);
        for round in 0..ROUNDS {
            let is_enabled = round % 3 == 0;
            bench.submit(round, &WRITABLE).expect("room");
            match is_enabled {
                true => assert!(!bench.queue.enable_notifications()),
                false => bench.queue.disable_notifications(),
            }
            let head = bench.take().head.into();
            assert_eq!(bench.device_queue.complete(head, 0), is_enabled, "round {round} with {features:?}");
            assert!(bench.queue.enable_notifications(), "a chain was used");
            bench.complete().expect("a good device").expect("a chain");
        }
    }
}

#[test]
fn an_interrupt_can_be_requested_for_several_chains() {
    let mut bench = Bench::new(ALL, 8, 1);
    for number in 0..6 {
        bench.submit(number, &WRITABLE).expect("room");
    }
    assert!(!bench.queue.enable_notifications_after(3));
    let interrupts: Vec<_> = (0..6).map(|head| bench.device_queue.complete(head, 0)).collect();
    assert_eq!(interrupts, [false, false, true, false, false, false]);
    while bench.complete().expect("a good device").is_some() {}
    // Not for more than are in flight: the interrupt would never come.
    bench.submit(0, &WRITABLE).expect("room");
    assert!(!bench.queue.enable_notifications_after(100));
    assert!(bench.take_last());
}

#[test]
fn kicks_are_requested_and_suppressed() {
    for features in [NONE, ALL] {
        let mut bench = Bench::new(features, 4, 1);
        for round in 0..ROUNDS {
            assert!(!bench.device_queue.enable_kicks());
            assert!(!bench.queue.needs_kick(), "nothing was offered");
            bench.submit(round, &WRITABLE).expect("room");
            assert!(bench.queue.needs_kick(), "round {round} with {features:?}");
            bench.device_queue.disable_kicks();
            bench.submit(round, &WRITABLE).expect("room");
            assert!(!bench.queue.needs_kick(), "the device has disabled kicks");
            for _ in 0..2 {
                let head = bench.take().head.into();
                bench.device_queue.complete(head, 0);
                bench.complete().expect("a good device").expect("a chain");
            }
        }
    }
}

/// A chain with a key: a buffer of its own, and one of two lengths.
struct Recurring {
    number: u64,
    is_long: bool,
    buffer: DmaBuffer,
}

impl Chain for Recurring {
    fn describe(&self, segments: &mut Segments) {
        segments.readable(&self.buffer, 0..16);
        segments.writable(&self.buffer, 16..if self.is_long { 64 } else { 32 });
    }

    fn key(&self) -> Option<NonZeroU64> {
        NonZeroU64::new((self.number + 1) << 1 | u64::from(self.is_long))
    }
}

#[test]
fn recurring_chains_are_written_correctly_in_any_order() {
    for features in [NONE, ALL, RingFeatures::INDIRECT] {
        let (machine, dma) = dma();
        let mut queue = SplitQueue::new(&dma, features, QueueParameters { size: 8, max_segments: 3 }).expect("memory");
        let mut device_queue = DeviceQueue::new(&machine, queue.addresses(), 8, features);
        let buffers = (0..).zip(dma.buffers(4, 64).expect("memory"));
        let mut idle: Vec<_> = buffers.map(|(number, buffer)| Recurring { number, is_long: false, buffer }).collect();
        let mut random = 1_u32;
        let mut below = |limit: usize| {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (random >> 8) as usize % limit
        };
        let mut taken = Vec::new();
        for _ in 0..2_000 {
            if !idle.is_empty() && below(2) == 0 {
                let mut chain = idle.swap_remove(below(idle.len()));
                chain.is_long = below(4) == 0;
                let (bus, length) = (chain.buffer.bus().get(), if chain.is_long { 48 } else { 16 });
                assert!(queue.submit(chain).is_ok(), "four chains fit");
                let chain = device_queue.take().expect("it was offered");
                let segments: Vec<_> = chain.segments.iter().map(|piece| (piece.address, piece.length)).collect();
                assert_eq!(segments, [(bus, 16), (bus + 16, length)]);
                taken.push((chain, length));
            } else if !taken.is_empty() {
                // The length must be that of the last time, not an earlier one.
                let (chain, length) = taken.swap_remove(below(taken.len()));
                device_queue.complete(chain.head.into(), length);
                let (chain, written) = queue.complete().expect("a good device").expect("a chain");
                assert_eq!(written, length);
                idle.push(chain);
            }
        }
    }
}
