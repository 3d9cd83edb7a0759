//! Pages in use, which go back to the pool of their function when they are dropped.

use alloc::sync::Arc;
use core::fmt;

use crate::ownership::Claimed;
use crate::platform::DmaBlock;

/// A block of DMA memory in use. Dropping it returns it to the pool of its function.
pub(super) struct Pages {
    block: Option<DmaBlock>,
    claimed: Arc<Claimed>,
}

impl Pages {
    pub(super) fn new(block: DmaBlock, claimed: Arc<Claimed>) -> Self {
        Self { block: Some(block), claimed }
    }

    pub(super) fn block(&self) -> &DmaBlock {
        self.block.as_ref().unwrap_or_else(|| unreachable!("taken only by drop"))
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        if let Some(block) = self.block.take() {
            self.claimed.pool().put(block);
        }
    }
}

impl fmt::Debug for Pages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pages").field(&self.block).finish()
    }
}
