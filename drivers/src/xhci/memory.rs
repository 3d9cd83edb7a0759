//! The memory that a controller uses as a whole: the table of device contexts, and pages of its own (xHCI 1.2, 4.20 and 6.1).

use alloc::vec::Vec;

use switchboard::dma::{BusAddress, DmaError, DmaPort, DmaShared};

const PAGE_BYTES: usize = 4096;

/// The device context base address array, and scratchpad buffers, which the controller alone uses.
#[derive(Debug)]
pub(super) struct ControllerMemory {
    contexts: DmaShared<u64>,
    scratchpads: Option<DmaShared<BusAddress>>,
    _pages: Vec<DmaShared<u64>>,
}

impl ControllerMemory {
    /// Allocates the memory for `slots` devices.
    pub(super) fn new(dma: &DmaPort, slots: u8, scratchpads: usize) -> Result<Self, DmaError> {
        let entries = usize::from(slots) + 1;
        let contexts = dma.region(entries * 8)?.carve(entries, 64).ok_or(DmaError::Empty)?;
        let page = |_| dma.region(PAGE_BYTES)?.carve(PAGE_BYTES / 8, PAGE_BYTES).ok_or(DmaError::Empty);
        let pages = (0..scratchpads).map(page).collect::<Result<Vec<DmaShared<u64>>, _>>()?;
        let mut table = None;
        if scratchpads > 0 {
            let mut array: DmaShared<BusAddress> =
                dma.region(scratchpads * 8)?.carve(scratchpads, 64).ok_or(DmaError::Empty)?;
            pages.iter().enumerate().for_each(|(index, page)| array.write(index, page.bus()));
            table = Some(array);
        }
        let mut this = Self { contexts, scratchpads: table, _pages: pages };
        this.reset();
        Ok(this)
    }

    /// Removes all devices.
    pub(super) fn reset(&mut self) {
        (1..self.contexts.count()).for_each(|slot| self.contexts.write(slot, 0));
        // The first entry is for the scratchpads.
        if let Some(table) = &self.scratchpads {
            self.contexts.write_as(0, table.bus());
        }
    }

    /// Returns the address of the array.
    pub(super) fn bus(&self) -> BusAddress {
        self.contexts.bus()
    }

    /// Sets the contexts of a slot.
    pub(super) fn set(&mut self, slot: u8, contexts: Option<BusAddress>) {
        match contexts {
            Some(contexts) => self.contexts.write_as(slot.into(), contexts),
            None => self.contexts.write(slot.into(), 0),
        }
    }
}
