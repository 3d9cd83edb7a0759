//! A modern virtio device (virtio 1.2, 4.1) whose queues break the rules, to test that drivers validate them.
//!
//! It signals by its ISR status alone. The driver reads that when another function on the same line interrupts: the
//! guest must therefore use INTx, and share the line with a busy function.

use super::memory::GuestMemory;
use super::registers::Registers;
use super::virtio_kind::{BAR, CONFIG, ISR, NOTIFY, VirtioKind};

/// Size of the common configuration in bytes.
const COMMON: usize = 56;
const COMMON_END: u64 = 56;
/// Size of each queue in descriptors, unless the driver sets a smaller one.
const SIZE: u16 = 64;

/// How the device completes the first chain; all but [`EmptyBuffers`](Self::EmptyBuffers) do nothing afterwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VirtioFault {
    /// With the id of a descriptor that is not the head of an outstanding chain.
    IdNotPosted,
    /// With an id beyond the size of any queue.
    IdOutOfRange,
    /// With a length beyond the size of the buffer.
    LengthTooLarge,
    /// With a used index that is thousands ahead.
    IndexTooFar,
    /// With a used index that goes backwards.
    IndexBackwards,
    /// With a length of zero; every chain, at once.
    EmptyBuffers,
    /// Never.
    NoCompletion,
}

/// The device: registers of one BAR, and two queues in guest memory.
#[derive(Debug)]
pub struct FaultyVirtio {
    memory: GuestMemory,
    kind: VirtioKind,
    fault: VirtioFault,
    feature_select: u32,
    status: u8,
    selected: u16,
    queues: [Ring; 2],
    isr: u8,
    is_finished: bool,
}

/// A queue: its set-up by the driver, and the device's progress.
#[derive(Debug, Clone, Copy, Default)]
struct Ring {
    size: u16,
    is_enabled: bool,
    /// Addresses of descriptor table, available ring and used ring.
    places: [u64; 3],
    taken: u16,
    used: u16,
}

impl FaultyVirtio {
    /// Creates a device with a fault, in a guest with this memory.
    #[must_use]
    pub fn new(memory: &GuestMemory, kind: VirtioKind, fault: VirtioFault) -> Self {
        let queues = [Ring { size: SIZE, ..Ring::default() }; 2];
        Self {
            memory: memory.clone(),
            kind,
            fault,
            feature_select: 0,
            status: 0,
            selected: 0,
            queues,
            isr: 0,
            is_finished: false,
        }
    }

    /// Returns the common configuration as it reads now.
    fn common(&self) -> [u8; COMMON] {
        let mut bytes = [0; COMMON];
        let queue = self.queues.get(usize::from(self.selected)).copied().unwrap_or_default();
        let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
        put(0, &self.feature_select.to_le_bytes());
        // VIRTIO_F_VERSION_1, bit 32, is the only feature.
        put(4, &u32::from(self.feature_select == 1).to_le_bytes());
        put(18, &2_u16.to_le_bytes());
        put(20, &[self.status]);
        put(22, &self.selected.to_le_bytes());
        put(24, &queue.size.to_le_bytes());
        put(28, &u16::from(queue.is_enabled).to_le_bytes());
        put(30, &self.selected.to_le_bytes());
        for (at, place) in (32..).step_by(8).zip(queue.places) {
            put(at, &place.to_le_bytes());
        }
        bytes
    }

    fn write_common(&mut self, at: u64, value: u32) {
        let [low, high, ..] = value.to_le_bytes();
        let half = u16::from_le_bytes([low, high]);
        match at {
            0 => self.feature_select = value,
            20 if low == 0 => {
                *self = Self { is_finished: self.is_finished, ..Self::new(&self.memory, self.kind, self.fault) }
            }
            20 => self.status = low,
            22 => self.selected = half,
            _ => {}
        }
        let Some(queue) = self.queues.get_mut(usize::from(self.selected)) else { return };
        match at {
            24 => queue.size = half,
            28 => queue.is_enabled = half == 1,
            32..COMMON_END => {
                let which = usize::from(at >= 40) + usize::from(at >= 48);
                let place = &mut queue.places[which];
                let shift = (at % 8) * 8;
                *place = *place & !(0xffff_ffff << shift) | u64::from(value) << shift;
            }
            _ => {}
        }
    }

    /// Takes the available chains of a queue and completes them as the fault prescribes.
    fn serve(&mut self, index: u16) -> std::io::Result<()> {
        let Some(mut queue) = self.queues.get(usize::from(index)).copied() else { return Ok(()) };
        // Buffers are taken only after DRIVER_OK.
        if !queue.is_enabled || queue.size == 0 || self.status & 4 == 0 {
            return Ok(());
        }
        let [_, available, used] = queue.places;
        while !self.is_finished && self.half(available + 2)? != queue.taken {
            let head = self.half(available + 4 + 2 * u64::from(queue.taken % queue.size))?;
            queue.taken = queue.taken.wrapping_add(1);
            let mut give = |id: u32, length: u32, step: u16| {
                let element = used + 4 + 8 * u64::from(queue.used % queue.size);
                self.memory.write(element, &id.to_le_bytes())?;
                self.memory.write(element + 4, &length.to_le_bytes())?;
                queue.used = queue.used.wrapping_add(step);
                self.memory.write(used + 2, &queue.used.to_le_bytes())
            };
            let id = u32::from(head);
            match self.fault {
                VirtioFault::IdNotPosted => give(u32::from(queue.size) - 1 - id, 1, 1),
                VirtioFault::IdOutOfRange => give(0xffff_0000 | id, 1, 1),
                VirtioFault::LengthTooLarge => give(id, u32::MAX, 1),
                VirtioFault::IndexTooFar => give(id, 1, 0x4000),
                VirtioFault::IndexBackwards => give(id, 1, u16::MAX),
                VirtioFault::EmptyBuffers => give(id, 0, 1),
                VirtioFault::NoCompletion => Ok(()),
            }?;
            self.is_finished = self.fault != VirtioFault::EmptyBuffers;
        }
        self.queues[usize::from(index)] = queue;
        self.isr |= 1;
        Ok(())
    }

    fn half(&self, address: u64) -> std::io::Result<u16> {
        let mut bytes = [0; 2];
        self.memory.read(address, &mut bytes)?;
        Ok(u16::from_le_bytes(bytes))
    }

    /// Returns the device-specific configuration.
    fn config(&self) -> [u8; 8] {
        match self.kind {
            // 2,048 sectors.
            VirtioKind::Blk => 2048_u64.to_le_bytes(),
            VirtioKind::Net | VirtioKind::Rng => [0; 8],
        }
    }
}

impl Registers for FaultyVirtio {
    fn read(&mut self, bar: usize, offset: u64, width: usize) -> u64 {
        let from = |bytes: &[u8], at: u64| {
            let at = usize::try_from(at).unwrap_or(usize::MAX);
            let mut value = [0; 8];
            for (byte, from) in value.iter_mut().take(width).zip(bytes.iter().skip(at)) {
                *byte = *from;
            }
            u64::from_le_bytes(value)
        };
        match offset {
            _ if bar != BAR => u64::MAX,
            0..COMMON_END => from(&self.common(), offset),
            ISR => core::mem::take(&mut self.isr).into(),
            CONFIG..NOTIFY => from(&self.config(), offset - CONFIG),
            _ => 0,
        }
    }

    fn write(&mut self, bar: usize, offset: u64, width: usize, value: u64) {
        if bar != BAR {
            return;
        }
        let [a, b, c, d, ..] = value.to_le_bytes();
        match offset {
            0..COMMON_END if width <= 4 => self.write_common(offset, u32::from_le_bytes([a, b, c, d])),
            // Addresses of a queue outside guest memory are ignored.
            NOTIFY.. => drop(self.serve(u16::from_le_bytes([a, b]))),
            _ => {}
        }
    }
}
