//! The DMA memory of one function.

#![expect(unsafe_code, reason = "memory goes back to the machine when no device writes there any more")]

use alloc::vec::Vec;
use core::fmt;

use crate::platform::{DmaBlock, Memory, MemoryError};
use crate::sync::IrqLock;

/// The blocks that one function was ever lent and does not use now. Dropped, with the blocks going back to the
/// machine, after the function was made quiet.
pub(crate) struct Pool {
    memory: &'static dyn Memory,
    idle: IrqLock<Vec<DmaBlock>>,
}

impl Pool {
    pub(crate) fn new(memory: &'static dyn Memory) -> Self {
        Self { memory, idle: IrqLock::new(Vec::new()) }
    }

    pub(crate) fn take(&self, pages: usize) -> Result<DmaBlock, MemoryError> {
        let reused = {
            let mut idle = self.idle.lock();
            let place = idle.iter().position(|block| block.pages() == pages);
            place.map(|place| idle.swap_remove(place))
        };
        match reused {
            Some(mut block) => {
                block.clear();
                Ok(block)
            }
            None => self.memory.allocate(pages),
        }
    }

    pub(crate) fn put(&self, block: DmaBlock) {
        self.idle.lock().push(block);
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        for block in self.idle.lock().drain(..) {
            // SAFETY: the block came from this memory. `Claimed` drops its pool after the function was taken off the bus, and a read from it
            // made sure that none of its writes is under way.
            unsafe { self.memory.release(block) };
        }
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("idle", &self.idle.lock().len()).finish_non_exhaustive()
    }
}
