//! The device's side of a split queue, as specified.

use alloc::sync::Arc;
use alloc::vec::Vec;

use switchboard::config::Address;
use switchboard_testing::FakeMachine;

use super::COMMON;
use crate::virtio::queue::{QueueAddresses, RingFeatures};

/// One segment of a chain, as the device reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) address: u64,
    pub(crate) length: u32,
    pub(crate) is_writable: bool,
}

/// A chain that the device has taken.
#[derive(Debug, Clone)]
pub(crate) struct TakenChain {
    pub(crate) head: u16,
    pub(crate) segments: Vec<Segment>,
}

/// The device's side of a split queue.
#[derive(Debug)]
pub(crate) struct DeviceQueue {
    machine: Arc<FakeMachine>,
    addresses: [u64; 3],
    size: u16,
    has_event_index: bool,
    /// Chains taken so far, modulo 65,536.
    taken: u16,
    /// Chains used so far.
    pub(crate) used: u16,
    /// The used index at the last decision whether to interrupt.
    interrupt_decided_at: u16,
}

impl DeviceQueue {
    pub(crate) fn new(
        machine: &Arc<FakeMachine>,
        addresses: QueueAddresses,
        size: u16,
        features: RingFeatures,
    ) -> Self {
        let addresses = [addresses.descriptors.get(), addresses.available.get(), addresses.used.get()];
        let has_event_index = features.contains(RingFeatures::EVENT_INDEX);
        Self { machine: machine.clone(), addresses, size, has_event_index, taken: 0, used: 0, interrupt_decided_at: 0 }
    }

    /// Returns the side of the queue whose addresses a driver has written last.
    pub(crate) fn from_registers(machine: &Arc<FakeMachine>, address: Address) -> Self {
        let read = |offset| machine.read_register(address, 0, COMMON + offset);
        let place = |offset| u64::from(read(offset)) | u64::from(read(offset + 4)) << 32;
        let addresses = [place(32), place(40), place(48)];
        let size = u16::try_from(read(24) & 0xffff).expect("16 bits");
        Self {
            machine: machine.clone(),
            addresses,
            size,
            has_event_index: true,
            taken: 0,
            used: 0,
            interrupt_decided_at: 0,
        }
    }

    pub(crate) fn read(&self, address: u64, length: usize) -> Vec<u8> {
        self.machine.dma_read(address, length).expect("an address of DMA memory")
    }

    pub(crate) fn write(&self, address: u64, bytes: &[u8]) {
        self.machine.dma_write(address, bytes).expect("an address of DMA memory");
    }

    fn word(&self, address: u64) -> u16 {
        u16::from_le_bytes(self.read(address, 2).try_into().expect("two bytes"))
    }

    fn ring_index(&self, index: u16) -> u64 {
        u64::from(index % self.size)
    }

    /// Takes the next chain that the driver has submitted.
    pub(crate) fn take(&mut self) -> Option<TakenChain> {
        if self.word(self.addresses[1] + 2) == self.taken {
            return None;
        }
        let head = self.word(self.addresses[1] + 4 + 2 * self.ring_index(self.taken));
        self.taken = self.taken.wrapping_add(1);
        let mut segments = Vec::new();
        self.follow(self.addresses[0], head, &mut segments);
        Some(TakenChain { head, segments })
    }

    fn follow(&self, table: u64, head: u16, segments: &mut Vec<Segment>) {
        let mut index = head;
        loop {
            let bytes = self.read(table + 16 * u64::from(index), 16);
            let address = u64::from_le_bytes(bytes[..8].try_into().expect("8 bytes"));
            let length = u32::from_le_bytes(bytes[8..12].try_into().expect("4 bytes"));
            let (flags, next) = (bytes[12], u16::from_le_bytes([bytes[14], bytes[15]]));
            if flags & 4 != 0 {
                assert_eq!(flags, 4, "an indirect descriptor has no other flag");
                assert!(length > 0 && length.is_multiple_of(16), "a table of whole descriptors");
                self.follow(address, 0, segments);
                return;
            }
            segments.push(Segment { address, length, is_writable: flags & 2 != 0 });
            assert!(segments.len() <= 64, "the chain ends");
            if flags & 1 == 0 {
                return;
            }
            index = next;
        }
    }

    /// Uses a chain. Returns whether the driver requests an interrupt for it.
    pub(crate) fn complete(&mut self, id: u32, length: u32) -> bool {
        let element = self.addresses[2] + 4 + 8 * self.ring_index(self.used);
        self.write(element, &id.to_le_bytes());
        self.write(element + 4, &length.to_le_bytes());
        self.set_used(self.used.wrapping_add(1));
        let (old, new) = (self.interrupt_decided_at, self.used);
        self.interrupt_decided_at = new;
        if self.has_event_index {
            let event = self.word(self.addresses[1] + 4 + 2 * u64::from(self.size));
            new.wrapping_sub(event).wrapping_sub(1) < new.wrapping_sub(old)
        } else {
            self.word(self.addresses[1]) & 1 == 0
        }
    }

    pub(crate) fn set_used(&mut self, index: u16) {
        self.used = index;
        self.write(self.addresses[2] + 2, &index.to_le_bytes());
    }

    /// Requests a kick for the next chain. Returns whether there is one already.
    pub(crate) fn enable_kicks(&mut self) -> bool {
        if self.has_event_index {
            self.write(self.addresses[2] + 4 + 8 * u64::from(self.size), &self.taken.to_le_bytes());
        } else {
            self.write(self.addresses[2], &[0, 0]);
        }
        self.word(self.addresses[1] + 2) != self.taken
    }

    /// Disables kicks.
    pub(crate) fn disable_kicks(&mut self) {
        if !self.has_event_index {
            self.write(self.addresses[2], &[1, 0]);
        }
    }
}
