//! The pool of DMA memory of one function.

#![expect(unsafe_code, reason = "releases memory to the machine after the function was quiesced")]

use alloc::vec::Vec;
use core::fmt;

use crate::platform::{DmaBlock, Memory, MemoryError};
use crate::sync::IrqLock;

/// The blocks that were allocated for one function and are idle now. It is dropped, which releases the blocks to the machine,
/// after the function was quiesced.
pub(crate) struct DmaPool {
    memory: &'static dyn Memory,
    idle: IrqLock<Vec<DmaBlock>>,
}

impl DmaPool {
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

impl Drop for DmaPool {
    fn drop(&mut self) {
        for block in self.idle.lock().drain(..) {
            // SAFETY: the block came from this memory. `Claimed` drops its pool after it turned bus mastering of the function
            // off, and after a read from the function flushed the writes that it had sent.
            unsafe { self.memory.release(block) };
        }
    }
}

impl fmt::Debug for DmaPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DmaPool").field("idle", &self.idle.lock().len()).finish_non_exhaustive()
    }
}
