//! A virtio function whose device acts by the input.

use std::sync::{LazyLock, Mutex, PoisonError};

use switchboard::config::Address;
use switchboard::driver::{Driver, attach};
use switchboard_testing::{FakeFunction, FakeMachine};

use crate::input::Input;

const VENDOR: u16 = 0x1af4;
/// The offsets of the structures in BAR 0.
const COMMON: u64 = 0;
const DEVICE: u64 = 0x2000;
/// The common structure: features, number of queues, queue size, status.
const FEATURES: u64 = 4;
const QUEUES: u64 = 16;
const SIZE: u64 = 24;
const STATUS: u64 = 20;
/// The address of the used ring of the queue that is selected.
const USED: u64 = 48;
/// `VERSION_1`. It is set in both halves of the features, since the fake register reads the same for both.
const VERSION_1: u32 = 1;

/// Machines with one function each: a network device and a disk.
pub(crate) static NET: LazyLock<Mutex<World>> = LazyLock::new(|| Mutex::new(World::new(0x1041)));
pub(crate) static BLK: LazyLock<Mutex<World>> = LazyLock::new(|| Mutex::new(World::new(0x1042)));

/// A machine with one function.
#[derive(Debug)]
pub(crate) struct World {
    fake: FakeMachine,
    address: Address,
}

fn capability(kind: u8, offset: u32, length: u32, more: &[u8]) -> Vec<u8> {
    let size = 16 + u8::try_from(more.len()).expect("a short capability");
    [&[size, kind, 0, 0, 0, 0][..], &offset.to_le_bytes(), &length.to_le_bytes(), more].concat()
}

impl World {
    fn new(device: u16) -> Self {
        let function = FakeFunction::new(VENDOR, device)
            .pin(1, 11)
            .bar(0, 0x4000)
            .bar(1, 0x1000)
            .msix(4, 1, 0, 0x800)
            .capability(9, &capability(1, 0, 56, &[]))
            .capability(9, &capability(2, 0x3000, 0x1000, &4_u32.to_le_bytes()))
            .capability(9, &capability(3, 0x1000, 1, &[]))
            .capability(9, &capability(4, 0x2000, 0x100, &[]));
        Self { fake: FakeMachine::new([function]), address: Address::new(0, 0, 1, 0) }
    }

    /// Probes the function with a driver, after the input has set its registers, and runs `play`. Asserts afterwards
    /// that no resource is leaked.
    pub(crate) fn run<D: Driver>(world: &Mutex<Self>, data: &[u8], play: impl Fn(&Self, D, &mut Input<'_>)) {
        let this = world.lock().unwrap_or_else(PoisonError::into_inner);
        let mut input = Input::new(data);
        let [features, queues, size] = input.array::<3>().unwrap_or_default();
        this.write(COMMON + FEATURES, VERSION_1 | u32::from(features & 0xfe) | u32::from(features) << 22 & 0x3000_0000);
        this.write(COMMON + QUEUES, u32::from(queues % 4) << 16);
        // Mostly powers of two.
        this.write(COMMON + SIZE, if size < 240 { 1 << (size % 16) } else { size.into() });
        for (word, at) in input.array::<16>().unwrap_or_default().chunks_exact(4).zip((0..).step_by(4)) {
            this.write(DEVICE + at, u32::from_le_bytes([word[0], word[1], word[2], word[3]]));
        }
        if let Some(function) = this.fake.machine().take(this.address)
            && let Ok(driver) = attach::<D>(function)
        {
            play(&this, driver, &mut input);
        }
        assert_eq!(this.fake.dma_pages(), 0, "DMA memory is leaked");
        assert_eq!(this.fake.mode(this.address), None, "interrupts are enabled after the drop");
        assert_eq!(this.fake.read_config(this.address, 4) & 4, 0, "bus mastering is enabled after the drop");
    }

    fn write(&self, offset: u64, value: u32) {
        self.fake.write_register(self.address, 0, offset, value);
    }

    /// Lets the device act: it writes DMA memory and registers, and interrupts.
    pub(crate) fn act(&self, input: &mut Input<'_>) -> Option<()> {
        match input.byte()? % 8 {
            0 => drop(self.fake.send(self.address, input.byte()?.into())),
            1 => self.write(DEVICE + 4 * u64::from(input.byte()? % 8), input.dword()?),
            2 => self.write(COMMON + STATUS, u32::from(input.byte()?) | 0xf),
            3 => self.write_memory(input)?,
            _ => self.complete(input)?,
        }
        Some(())
    }

    /// Returns a chain, with any id and length.
    fn complete(&self, input: &mut Input<'_>) -> Option<()> {
        let [queue, id, length] = input.array()?;
        let length = match length {
            0xff => input.dword()?,
            // Up to a frame with its header and a little more, and whole sectors with their status.
            _ => u32::from(length) * 8 + u32::from(queue & 0x80 != 0),
        };
        let read = |offset| self.fake.read_register(self.address, 0, COMMON + offset);
        let size = u64::from(read(SIZE) & 0xffff).clamp(1, 128);
        let used = if queue % 2 == 0 {
            // The selected queue, by its registers.
            u64::from(read(USED)) | u64::from(read(USED + 4)) << 32
        } else {
            // The first queue has the first memory: descriptor table, available ring, used ring.
            let (memory, _) = *self.fake.dma_blocks().first()?;
            memory + (16 * size + 2 * (3 + size)).next_multiple_of(4)
        };
        let index = self.fake.dma_read(used + 2, 2)?;
        let index = u16::from_le_bytes([index[0], index[1]]);
        let element = [u32::from(id).to_le_bytes(), length.to_le_bytes()].concat();
        self.fake.dma_write(used + 4 + 8 * (u64::from(index) % size), &element)?;
        self.fake.dma_write(used + 2, &index.wrapping_add(1).to_le_bytes())
    }

    /// Writes input bytes anywhere in DMA memory.
    fn write_memory(&self, input: &mut Input<'_>) -> Option<()> {
        let (block, offset) = (input.byte()?, input.word()?);
        let blocks = self.fake.dma_blocks();
        let (memory, length) = *blocks.get(usize::from(block) % blocks.len().max(1))?;
        let offset = usize::from(offset) % length;
        let bytes = input.bytes((length - offset).min(8));
        self.fake.dma_write(memory + offset as u64, bytes)
    }
}
