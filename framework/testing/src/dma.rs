//! The devices of a fake machine, as a test plays them: their DMA.

#![expect(unsafe_code, reason = "a test reads and writes DMA memory as a device does")]

use alloc::vec::Vec;

use super::FakeMachine;

impl FakeMachine {
    /// Makes DMA memory that is allocated from now on begin at bus address `bus` and up: for devices that drive few
    /// address bits. It begins above 4 GiB otherwise.
    pub fn allocate_dma_from(&self, bus: u64) {
        self.memory.allocate_from(bus);
    }

    /// Returns the pages of DMA memory in use.
    #[must_use]
    pub fn dma_pages(&self) -> usize {
        self.memory.pages_in_use()
    }

    /// Returns the bus address and the bytes of each block of DMA memory in use, in the order of their allocation.
    #[must_use]
    pub fn dma_blocks(&self) -> Vec<(u64, usize)> {
        self.memory.blocks()
    }

    /// Reads DMA memory as a device does. Returns `None` when part of the range is not allocated: an access that an
    /// IOMMU would refuse.
    #[must_use]
    pub fn dma_read(&self, bus: u64, length: usize) -> Option<Vec<u8>> {
        let place = self.memory.dma(bus, length)?;
        let read = |index| {
            // SAFETY: the whole range is allocated.
            let byte = unsafe { place.add(index) };
            // SAFETY: as above, and devices read volatile.
            unsafe { byte.read_volatile() }
        };
        Some((0..length).map(read).collect())
    }

    /// Writes DMA memory as a device does. Returns `None` when part of the range is not allocated, and writes nothing
    /// then.
    ///
    /// ```
    /// use switchboard_testing::{FakeFunction, FakeMachine};
    ///
    /// let fake = FakeMachine::new([FakeFunction::new(0x1234, 0x0001)]);
    /// let resources = fake.machine().take_all().remove(0).claim().unwrap();
    /// let mut buffer = resources.dma.buffer(16).unwrap();
    /// buffer[..4].copy_from_slice(b"ping");
    ///
    /// // A device finds the address in a register or a descriptor.
    /// let bus = buffer.bus().get();
    /// assert_eq!(fake.dma_read(bus, 4).unwrap(), b"ping");
    /// fake.dma_write(bus, b"pong").unwrap();
    /// assert_eq!(buffer[..4], *b"pong");
    /// // Not a byte past what was allocated.
    /// assert_eq!(fake.dma_write(0x1000, b"pong"), None);
    /// ```
    #[must_use]
    pub fn dma_write(&self, bus: u64, bytes: &[u8]) -> Option<()> {
        let place = self.memory.dma(bus, bytes.len())?;
        for (index, byte) in bytes.iter().enumerate() {
            // SAFETY: the whole range is allocated.
            let place = unsafe { place.add(index) };
            // SAFETY: as above, and devices write volatile.
            unsafe { place.write_volatile(*byte) };
        }
        Some(())
    }
}
