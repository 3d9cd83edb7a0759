//! Tests of the rings, and the device's side of them.

mod rings;

use alloc::vec::Vec;

use switchboard::config::Address;
use switchboard::dma::DmaPort;
use switchboard_testing::{FakeFunction, FakeMachine};

use super::BUFFER_BYTES;
use super::descriptors::DESCRIPTOR_BYTES;

/// The GSI of the card's line.
pub(crate) const GSI: u32 = 10;

pub(crate) fn function(address: &str) -> FakeFunction {
    FakeFunction::new(0x8086, 0x100e).at(address).bar(0, 0x20000).pin(1, 10)
}

pub(crate) fn machine() -> FakeMachine {
    FakeMachine::new([function("00:03.0")])
}

pub(crate) fn address() -> Address {
    Address::new(0, 0, 3, 0)
}

fn dma(fake: &FakeMachine) -> DmaPort {
    fake.machine().take_all().remove(0).claim().expect("an endpoint").dma
}

/// The device's side of a ring of descriptors.
pub(crate) struct DeviceRing<'a> {
    pub(crate) fake: &'a FakeMachine,
    pub(crate) bus: u64,
}

impl DeviceRing<'_> {
    fn descriptor_address(&self, index: u16) -> u64 {
        self.bus + u64::from(index * DESCRIPTOR_BYTES)
    }

    pub(crate) fn read(&self, index: u16) -> [u8; 16] {
        let bytes = self.fake.dma_read(self.descriptor_address(index), DESCRIPTOR_BYTES.into());
        bytes.and_then(|bytes| bytes.try_into().ok()).expect("a descriptor in DMA memory")
    }

    pub(crate) fn write(&self, index: u16, descriptor: [u8; 16]) {
        self.fake.dma_write(self.descriptor_address(index), &descriptor).expect("a descriptor in DMA memory");
    }

    pub(crate) fn buffer(&self, index: u16) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.read(index);
        u64::from_le_bytes([a, b, c, d, e, f, g, h])
    }

    /// Writes a frame to the buffer of a receive descriptor, and the descriptor back.
    pub(crate) fn receive(&self, index: u16, frame: &[u8], status: u8, errors: u8) {
        self.fake.dma_write(self.buffer(index), frame).expect("a buffer in DMA memory");
        self.write_back(index, u16::try_from(frame.len()).expect("a frame"), status, errors);
    }

    pub(crate) fn write_back(&self, index: u16, length: u16, status: u8, errors: u8) {
        let mut descriptor = self.read(index);
        descriptor[8..10].copy_from_slice(&length.to_le_bytes());
        descriptor[12] = status;
        descriptor[13] = errors;
        self.write(index, descriptor);
    }

    /// Does the same with an extended descriptor, whose status has the errors in its upper bits.
    pub(crate) fn receive_extended(&self, index: u16, frame: &[u8], status: u32) {
        self.fake.dma_write(self.buffer(index), frame).expect("a buffer in DMA memory");
        self.write_back_extended(index, u16::try_from(frame.len()).expect("a frame"), status);
    }

    pub(crate) fn write_back_extended(&self, index: u16, length: u16, status: u32) {
        let mut descriptor = [0; 16];
        descriptor[8..12].copy_from_slice(&status.to_le_bytes());
        descriptor[12..14].copy_from_slice(&length.to_le_bytes());
        self.write(index, descriptor);
    }

    /// Returns the frame of a transmit descriptor, and its command byte.
    pub(crate) fn sent(&self, index: u16) -> (Vec<u8>, u8) {
        let descriptor = self.read(index);
        let length = usize::from(u16::from_le_bytes([descriptor[8], descriptor[9]]));
        assert!(length <= BUFFER_BYTES);
        let frame = self.fake.dma_read(self.buffer(index), length).expect("a buffer in DMA memory");
        (frame, descriptor[11])
    }

    /// Writes the status of a transmit descriptor.
    pub(crate) fn report(&self, index: u16, status: u8) {
        let mut descriptor = self.read(index);
        descriptor[12] = status;
        self.write(index, descriptor);
    }
}
