//! Memory of the fake machine: registers behind BARs, and DMA memory.

#![expect(unsafe_code, reason = "DMA memory is heap that the framework and the device's side of a test both access")]

use alloc::alloc::{alloc_zeroed, dealloc};
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::alloc::Layout;
use core::ptr::NonNull;

use switchboard::platform::{DmaBlock, Mapping, Memory, MemoryError};
use switchboard::sync::IrqLock;

use super::device_state::DeviceState;
use super::registers::{DeviceRegisters, MappedRegisters, Registers};

/// The first bus address of DMA memory. It differs from the CPU's address, so that a driver that confuses the two
/// fails, and is above 4 GiB, so that one that drops the upper half fails.
const BUS_BASE: u64 = 0x10_0000_0000;

/// The memory of a machine.
pub(super) struct FakeMemory {
    /// Registers that the test implements, in place of those of `bars`.
    own: Option<&'static dyn DeviceRegisters>,
    bars: IrqLock<Vec<(u64, Arc<Registers>)>>,
    blocks: IrqLock<Vec<Block>>,
    next_bus: IrqLock<u64>,
}

/// A block of DMA memory in use.
#[derive(Debug)]
struct Block {
    bus: u64,
    pages: usize,
    pointer: NonNull<u8>,
}

// SAFETY: the memory is heap, which any thread may use.
unsafe impl Send for Block {}

fn layout(pages: usize) -> Option<Layout> {
    Layout::from_size_align(pages.checked_mul(DmaBlock::PAGE)?, DmaBlock::PAGE).ok().filter(|layout| layout.size() > 0)
}

impl FakeMemory {
    pub(super) const fn new(own: Option<&'static dyn DeviceRegisters>) -> Self {
        Self { own, bars: IrqLock::new(Vec::new()), blocks: IrqLock::new(Vec::new()), next_bus: IrqLock::new(BUS_BASE) }
    }

    /// Adds `length` bytes of registers at `physical`.
    pub(super) fn add(&self, physical: u64, length: u64, state: &Arc<DeviceState>) {
        let length = usize::try_from(length).expect("a BAR that fits memory");
        self.bars.lock().push((physical, Arc::new(Registers::new(length, state.clone()))));
    }

    /// Returns the registers at `physical`, and the offset in them.
    pub(super) fn registers(&self, physical: u64) -> Option<(Arc<Registers>, u64)> {
        let bars = self.bars.lock();
        let holds = |(start, registers): &&(u64, Arc<Registers>)| {
            physical.checked_sub(*start).is_some_and(|offset| offset < registers.length())
        };
        // The newest first: a function may have been added where one was removed.
        bars.iter().rev().find(holds).map(|(start, registers)| (registers.clone(), physical - start))
    }

    /// Returns the bus address and bytes of every block in use, in the order of their allocation.
    pub(super) fn blocks(&self) -> Vec<(u64, usize)> {
        self.blocks.lock().iter().map(|block| (block.bus, block.pages * DmaBlock::PAGE)).collect()
    }

    /// Returns the pages in use.
    pub(super) fn pages_in_use(&self) -> usize {
        self.blocks.lock().iter().map(|block| block.pages).sum()
    }

    /// Returns the memory at a bus address, or `None` when not the whole range is in use.
    pub(super) fn dma(&self, bus: u64, length: usize) -> Option<NonNull<u8>> {
        let blocks = self.blocks.lock();
        let end = bus.checked_add(length as u64)?;
        let holds = |block: &&Block| block.bus <= bus && end <= block.bus + (block.pages * DmaBlock::PAGE) as u64;
        let block = blocks.iter().find(holds)?;
        let offset = usize::try_from(bus - block.bus).ok()?;
        // SAFETY: the offset is within the block.
        Some(unsafe { block.pointer.add(offset) })
    }

    /// Makes the blocks that are allocated from now on begin at `bus` for devices.
    pub(super) fn allocate_from(&self, bus: u64) {
        *self.next_bus.lock() = bus;
    }
}

// SAFETY: registers are mapped by calls alone; a block is fresh heap, which `release` frees.
unsafe impl Memory for FakeMemory {
    fn map(&self, physical: u64, length: u64) -> Result<Mapping, MemoryError> {
        if let Some(own) = self.own {
            return own.map(physical, length).map(Mapping::Emulated);
        }
        let unreachable = MemoryError::Unreachable { physical, length };
        let (registers, start) = self.registers(physical).ok_or(unreachable)?;
        let is_inside = start.checked_add(length).is_some_and(|end| end <= registers.length());
        if !is_inside {
            return Err(unreachable);
        }
        // Leaked, as mappings are permanent.
        Ok(Mapping::Emulated(Box::leak(Box::new(MappedRegisters::new(registers, start)))))
    }

    fn allocate(&self, pages: usize) -> Result<DmaBlock, MemoryError> {
        let out_of_memory = MemoryError::OutOfMemory { wanted: pages.saturating_mul(DmaBlock::PAGE) };
        let layout = layout(pages).ok_or(out_of_memory)?;
        // SAFETY: the layout is not empty.
        let pointer = NonNull::new(unsafe { alloc_zeroed(layout) }).ok_or(out_of_memory)?;
        let mut next = self.next_bus.lock();
        let bus = *next;
        // A page between blocks: an access past the end of one hits none.
        *next += ((pages + 1) * DmaBlock::PAGE) as u64;
        self.blocks.lock().push(Block { bus, pages, pointer });
        // SAFETY: fresh pages of the heap, zeroed, with no other user; `dma` finds them at that bus address.
        Ok(unsafe { DmaBlock::new(pointer, bus, pages) })
    }

    unsafe fn release(&self, block: DmaBlock) {
        let mut blocks = self.blocks.lock();
        let place = blocks.iter().position(|other| other.pointer == block.pointer());
        if let (Some(place), Some(layout)) = (place, layout(block.pages())) {
            blocks.remove(place);
            // SAFETY: allocated with this layout, and the caller gives it up.
            unsafe { dealloc(block.pointer().as_ptr(), layout) };
        }
    }
}
