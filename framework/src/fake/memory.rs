//! Device memory and DMA memory on the heap.

#![expect(unsafe_code, reason = "a test plays the device, and so reads and writes what a driver shares with one")]

use alloc::alloc::{alloc_zeroed, dealloc};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::alloc::Layout;
use core::ptr::NonNull;

use super::departure::{Stay, register};
use crate::dma::DmaBlock;
use crate::machine::{Memory, MemoryError};
use crate::sync::IrqLock;

/// Where DMA memory begins for devices: not where the CPU finds it, so that a driver that mixes the two fails; and
/// where addresses have an upper half.
const BUS_BASE: u64 = 0x10_0000_0000;

#[derive(Debug)]
pub(super) struct FakeMemory {
    ranges: IrqLock<Vec<Range>>,
    blocks: IrqLock<Vec<Block>>,
    next_bus: IrqLock<u64>,
}

/// DMA memory that is lent out.
#[derive(Debug)]
struct Block {
    bus: u64,
    pages: usize,
    pointer: NonNull<u8>,
}

// SAFETY: the memory is heap, and belongs to no thread.
unsafe impl Send for Block {}

#[derive(Debug)]
struct Range {
    physical: u64,
    length: u64,
    pointer: NonNull<u8>,
    stay: Arc<Stay>,
}

// SAFETY: the memory is leaked heap, and belongs to no thread.
unsafe impl Send for Range {}

fn pages(pages: usize) -> Option<NonNull<u8>> {
    let layout = Layout::from_size_align(pages.checked_mul(DmaBlock::PAGE)?, DmaBlock::PAGE).ok()?;
    // SAFETY: callers want at least one page, so the layout is not empty.
    NonNull::new(unsafe { alloc_zeroed(layout) })
}

impl FakeMemory {
    pub(super) const fn new() -> Self {
        Self { ranges: IrqLock::new(Vec::new()), blocks: IrqLock::new(Vec::new()), next_bus: IrqLock::new(BUS_BASE) }
    }

    /// Makes `length` bytes of registers at `physical`, of a function that stays for as long as `stay` says.
    pub(super) fn add(&self, physical: u64, length: u64, stay: &Arc<Stay>) {
        let bytes = usize::try_from(length).expect("a BAR that fits memory");
        let pointer = pages(bytes.div_ceil(DmaBlock::PAGE).max(1)).expect("memory for a BAR");
        register(pointer, bytes, stay.clone());
        self.ranges.lock().push(Range { physical, length, pointer, stay: stay.clone() });
    }

    /// Where what is lent out begins, and its bytes.
    pub(super) fn blocks(&self) -> Vec<(u64, usize)> {
        let blocks = self.blocks.lock();
        blocks.iter().map(|block| (block.bus, block.pages * DmaBlock::PAGE)).collect()
    }

    /// Pages that are lent out.
    pub(super) fn lent(&self) -> usize {
        self.blocks.lock().iter().map(|block| block.pages).sum()
    }

    /// Whether the function whose registers are there is gone.
    fn is_dead(&self, physical: u64) -> bool {
        let holds = |range: &Range| (range.physical..range.physical + range.length).contains(&physical);
        self.ranges.lock().iter().any(|range| holds(range) && range.stay.is_gone())
    }

    fn device(&self, physical: u64, length: u64) -> Option<NonNull<u8>> {
        let ranges = self.ranges.lock();
        let range = ranges.iter().find(|range| {
            physical >= range.physical && physical.saturating_add(length) <= range.physical + range.length
        })?;
        let offset = usize::try_from(physical - range.physical).ok()?;
        // SAFETY: the offset lies within the range.
        Some(unsafe { range.pointer.add(offset) })
    }

    /// What the device sees at a bus address, when the whole of it is lent out.
    pub(super) fn dma(&self, bus: u64, length: usize) -> Option<NonNull<u8>> {
        let blocks = self.blocks.lock();
        let end = bus.checked_add(length as u64)?;
        let holds = |block: &&Block| block.bus <= bus && end <= block.bus + (block.pages * DmaBlock::PAGE) as u64;
        let block = blocks.iter().find(holds)?;
        let offset = usize::try_from(bus - block.bus).ok()?;
        // SAFETY: the offset lies within the block.
        Some(unsafe { block.pointer.add(offset) })
    }

    /// Has the memory that is lent from now on begin at `bus` for devices.
    pub(super) fn lend_from(&self, bus: u64) {
        *self.next_bus.lock() = bus;
    }

    pub(super) fn read_device(&self, physical: u64) -> Option<u32> {
        let place = self.device(physical, 4)?.cast::<u32>();
        // SAFETY: mapped heap; the tests' addresses are aligned to four.
        Some(unsafe { place.read_volatile() })
    }

    pub(super) fn write_device(&self, physical: u64, value: u32) -> Option<()> {
        let place = self.device(physical, 4)?.cast::<u32>();
        if self.is_dead(physical) {
            return Some(());
        }
        // SAFETY: mapped heap; the tests' addresses are aligned to four.
        unsafe { place.write_volatile(value) };
        Some(())
    }
}

impl Memory for FakeMemory {
    fn map(&self, physical: u64, length: u64) -> Result<NonNull<u8>, MemoryError> {
        self.device(physical, length).ok_or(MemoryError::Unreachable { physical, length })
    }

    fn allocate(&self, count: usize) -> Result<DmaBlock, MemoryError> {
        let wanted = count.saturating_mul(DmaBlock::PAGE);
        let pointer = (count > 0).then(|| pages(count)).flatten().ok_or(MemoryError::OutOfMemory { wanted })?;
        let mut next = self.next_bus.lock();
        let bus = *next;
        // A page apart: what runs past a block's end is seen.
        *next += ((count + 1) * DmaBlock::PAGE) as u64;
        self.blocks.lock().push(Block { bus, pages: count, pointer });
        // SAFETY: fresh, zeroed, page-aligned, and handed out once.
        Ok(unsafe { DmaBlock::new(pointer, bus, count) })
    }

    fn release(&self, block: DmaBlock) {
        self.blocks.lock().retain(|lent| lent.bus != block.bus());
        let layout = Layout::from_size_align(block.bytes(), DmaBlock::PAGE).expect("the layout it was made with");
        // SAFETY: `allocate` made it with this layout, and the block was its only owner.
        unsafe { dealloc(block.pointer().as_ptr(), layout) };
    }
}
