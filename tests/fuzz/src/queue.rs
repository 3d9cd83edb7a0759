//! A virtio split queue against a device that writes arbitrary bytes into it.

use std::collections::BTreeMap;
use std::sync::{LazyLock, Mutex, PoisonError};

use switchboard::dma::{DmaBuffer, DmaPort};
use switchboard_drivers::virtio::queue::{
    Chain, MAX_SEGMENTS, QueueAddresses, QueueError, QueueParameters, RingFeatures, Segments, SplitQueue,
};
use switchboard_testing::{FakeFunction, FakeMachine};

use crate::input::Input;

static MACHINE: LazyLock<Mutex<FakeMachine>> =
    LazyLock::new(|| Mutex::new(FakeMachine::new([FakeFunction::new(0x1af4, 0x1041)])));

/// Bytes of a segment.
const SEGMENT_BYTES: usize = 8;

/// A chain with a number.
struct NumberedChain {
    number: u32,
    buffer: DmaBuffer,
    readable: usize,
    writable: usize,
}

impl Chain for NumberedChain {
    fn describe(&self, segments: &mut Segments) {
        let range = |index: usize| index * SEGMENT_BYTES..(index + 1) * SEGMENT_BYTES;
        (0..self.readable).for_each(|index| segments.readable(&self.buffer, range(index)));
        let end = self.readable + self.writable;
        (self.readable..end).for_each(|index| segments.writable(&self.buffer, range(index)));
    }
}

/// Runs the target.
pub(crate) fn run(data: &[u8]) {
    let fake = MACHINE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(function) = fake.machine().take_all().pop() {
        let dma = function.claim().expect("a good function").dma;
        play(&fake, &dma, &mut Input::new(data));
    }
    assert_eq!(fake.dma_pages(), 0, "DMA memory is leaked");
}

/// Drives the queue and the device by the input.
fn play(fake: &FakeMachine, dma: &DmaPort, input: &mut Input<'_>) -> Option<()> {
    let [size, longest, features] = input.array()?;
    let size = 1 << (size % 8);
    let longest = 1 + u16::from(longest) % u16::try_from(MAX_SEGMENTS).ok()?;
    let features = RingFeatures::from_bits_truncate(u64::from(features) << 28);
    let mut queue = SplitQueue::new(dma, features, QueueParameters { size, max_segments: longest }).ok()?;
    let device = Device { fake, places: queue.addresses(), size };
    let mut with_device = BTreeMap::new();
    let mut is_dead = false;
    for number in 0.. {
        match input.byte()? % 10 {
            0..=2 => {
                let [readable, writable] = input.array()?.map(|count| usize::from(count) % 10);
                let buffer = dma.buffer(20 * SEGMENT_BYTES).ok()?;
                match queue.submit(NumberedChain { number, buffer, readable, writable }) {
                    Ok(()) => assert!(!is_dead && with_device.insert(number, writable * SEGMENT_BYTES).is_none()),
                    Err((error, chain)) => {
                        assert_eq!(chain.number, number, "another chain came back");
                        assert_eq!(is_dead, error == QueueError::Dead, "{error}");
                    }
                }
            }
            3 | 4 => match queue.complete() {
                Ok(Some((chain, written))) => {
                    let room = with_device.remove(&chain.number).expect("a chain that the device had");
                    assert!(written as usize <= room, "{written} bytes in {room}");
                    assert!(!is_dead);
                }
                Ok(None) => {}
                Err(error) => {
                    assert_eq!(is_dead, error == QueueError::Dead, "{error}");
                    is_dead = true;
                }
            },
            5 => _ = queue.needs_kick(),
            6 => _ = queue.enable_notifications_after(input.word()?),
            7 => queue.disable_notifications(),
            // The device returns a chain, with any id and length.
            8 => device.use_next(input.dword()? % (2 * u32::from(size)), input.dword()? % 0x100),
            _ => device.write_queue(input.word()?, &input.array::<8>()?),
        }
        assert_eq!(usize::from(queue.in_flight()), with_device.len());
        assert!(queue.free() <= size);
    }
    Some(())
}

/// The device side of the queue.
struct Device<'a> {
    fake: &'a FakeMachine,
    places: QueueAddresses,
    size: u16,
}

impl Device<'_> {
    fn word(&self, at: u64) -> u16 {
        let bytes = self.fake.dma_read(at, 2).expect("the ring");
        u16::from_le_bytes([bytes[0], bytes[1]])
    }

    fn use_next(&self, id: u32, length: u32) {
        let used = self.places.used.get();
        let index = self.word(used + 2);
        let element = used + 4 + 8 * u64::from(index % self.size);
        let bytes = [id.to_le_bytes(), length.to_le_bytes()].concat();
        self.fake.dma_write(element, &bytes).expect("the ring");
        self.fake.dma_write(used + 2, &index.wrapping_add(1).to_le_bytes()).expect("the ring");
    }

    /// Writes anywhere in the memory of the queue.
    fn write_queue(&self, offset: u16, bytes: &[u8]) {
        // A write past the end of the memory fails.
        _ = self.fake.dma_write(self.places.descriptors.get() + u64::from(offset), bytes);
    }
}
