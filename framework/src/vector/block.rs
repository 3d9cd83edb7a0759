//! Vectors that are owned by a grant.

use core::fmt;

use super::cpu::Cpu;
use super::slot::{HandlerBox, VectorSlot};
use super::table::VectorTable;
use crate::platform::{InterruptController, Vector};
use crate::sync::primitives::planted;

/// Contiguous vectors of a CPU, owned. Dropping them removes their handlers, waits for those that run, and frees the vectors.
pub(crate) struct VectorBlock {
    table: &'static VectorTable,
    first: u8,
    count: usize,
}

impl VectorBlock {
    pub(super) fn new(table: &'static VectorTable, first: u8, count: usize) -> Self {
        Self { table, first, count }
    }

    /// Returns the number of vectors.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// Returns the CPU.
    pub(crate) fn cpu(&self) -> Cpu {
        self.table.cpu()
    }

    /// Returns the vector at `index`.
    ///
    /// # Panics
    /// When it is out of bounds.
    pub(crate) fn vector(&self, index: usize) -> Vector {
        Vector::new(self.table.id(), self.number(index))
    }

    fn number(&self, index: usize) -> u8 {
        assert!(index < self.count, "vector {index} of a block of {}", self.count);
        self.first + u8::try_from(index).unwrap_or(0)
    }

    /// Returns the slot at `index`.
    ///
    /// # Panics
    /// When it is out of bounds.
    pub(crate) fn slot(&self, index: usize) -> &'static VectorSlot {
        self.table.slot(self.number(index))
    }

    /// Puts a handler into the slot at `index` (with `None`: removes it); see [`VectorSlot::replace`].
    pub(crate) fn replace(&self, index: usize, handler: Option<HandlerBox>) -> Option<HandlerBox> {
        self.slot(index).replace(handler)
    }

    /// Waits until no interrupt that has arrived is left to be served, and none of the handlers is running. With their source masked,
    /// none starts afterwards. Returns `false` when the caller is one of the handlers, or the CPU does not serve interrupts.
    pub(crate) fn wait_served(&self, controller: &dyn InterruptController) -> bool {
        (0..self.count).fold(true, |is_served, index| {
            let is_drained = planted!(controller.drain(self.vector(index)), "left-without-draining" => true);
            self.slot(index).wait_idle() && is_drained && is_served
        })
    }
}

impl Drop for VectorBlock {
    fn drop(&mut self) {
        for index in 0..self.count {
            planted!(drop(self.replace(index, None)), "freed-with-handlers" => ());
        }
        self.table.give_back(self.first, self.count);
    }
}

impl fmt::Debug for VectorBlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VectorBlock").field("first", &self.first).field("count", &self.count).finish()
    }
}
