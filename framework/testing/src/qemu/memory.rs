//! Memory of a bench's machine: windows over the socket, and DMA memory in the RAM that QEMU maps too.

#![expect(unsafe_code, reason = "DMA memory is RAM that QEMU's devices access")]

use std::boxed::Box;

use switchboard::config::Address;
use switchboard::platform::{DmaBlock, Mapping, Memory, MemoryError, RegisterAccess};

use super::ram::RAM_BYTES;
use super::recording::Place;
use super::session::{Session, lock};

/// The bus address of the first page of DMA memory.
const FIRST: usize = 0x20_0000;

/// Registers from a physical address on.
struct Window {
    session: &'static Session,
    physical: u64,
    /// The BAR that has them, with its address.
    bar: Option<(Address, u8, u64)>,
}

impl Window {
    fn place(&self, offset: u64) -> Place {
        let physical = self.physical + offset;
        match self.bar {
            Some((function, bar, start)) => Place::Bar(function, bar, physical - start),
            None => Place::Memory(physical),
        }
    }
}

impl RegisterAccess for Window {
    fn read(&self, offset: u64, bytes: u8) -> u64 {
        self.session.read_register(self.place(offset), self.physical + offset, bytes)
    }

    fn write(&self, offset: u64, bytes: u8, value: u64) {
        self.session.write_register(self.place(offset), self.physical + offset, bytes, value);
    }
}

/// The memory of a session, as the framework uses it.
pub(super) struct BenchMemory(pub(super) &'static Session);

// SAFETY: registers are mapped by calls alone. A block is a range of RAM that no other block overlaps, mapped for ever, and
// its bus address is its offset in the RAM of QEMU's machine.
unsafe impl Memory for BenchMemory {
    fn map(&self, physical: u64, length: u64) -> Result<Mapping, MemoryError> {
        if physical.checked_add(length).is_none() {
            return Err(MemoryError::Unreachable { physical, length });
        }
        if physical < RAM_BYTES as u64 {
            return Err(MemoryError::Ram { physical, length });
        }
        // Leaked, as mappings are permanent.
        Ok(Mapping::Emulated(Box::leak(Box::new(Window { session: self.0, physical, bar: self.0.find_bar(physical) }))))
    }

    fn allocate(&self, pages: usize) -> Result<DmaBlock, MemoryError> {
        let out_of_memory = MemoryError::OutOfMemory { wanted: pages.saturating_mul(DmaBlock::PAGE) };
        if pages == 0 || self.0.refuses_memory(pages) {
            return Err(out_of_memory);
        }
        let bytes = pages.checked_mul(DmaBlock::PAGE).ok_or(out_of_memory)?;
        let mut blocks = lock(&self.0.blocks);
        // The first gap that is large enough, with a page between blocks: an access past the end of one hits none.
        let mut bus = FIRST;
        for (start, pages) in &*blocks {
            if bus + bytes + DmaBlock::PAGE <= *start {
                break;
            }
            bus = start + (pages + 1) * DmaBlock::PAGE;
        }
        let pointer = self.0.view.at(bus, bytes).ok_or(out_of_memory)?;
        blocks.insert(bus, pages);
        // SAFETY: a page-aligned range of the mapping that is in no other block.
        let mut block = unsafe { DmaBlock::new(pointer, bus as u64, pages) };
        block.clear();
        self.0.clear(bus, bytes);
        Ok(block)
    }

    unsafe fn release(&self, block: DmaBlock) {
        if let Ok(bus) = usize::try_from(block.bus()) {
            lock(&self.0.blocks).remove(&bus);
        }
    }
}
