//! What is free, of everything that a device takes: to see that all of it comes back.

use core::fmt;

use switchboard::machine::Machine;

use crate::hal;

/// The figures at one time; equal ones mean that nothing was lost between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FreeResources {
    /// Interrupt vectors.
    pub vectors: usize,
    /// Bytes of the heap.
    pub heap_bytes: usize,
    /// Pages of 4,096 bytes for devices.
    pub dma_pages: usize,
    /// Not free, but in use: rows of the report, one for each registered handler of a vector.
    pub rows: usize,
}

impl FreeResources {
    /// What is free now.
    #[must_use]
    pub fn measure(machine: &Machine) -> Self {
        let rows = machine.interrupt_report().len();
        let figures = hal::memory_usage();
        Self {
            vectors: machine.free_vectors(),
            heap_bytes: figures.heap_bytes_free,
            dma_pages: figures.dma_pages.saturating_sub(figures.dma_pages_used),
            rows,
        }
    }
}

impl fmt::Display for FreeResources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { vectors, heap_bytes, dma_pages, rows } = self;
        write!(f, "free: {vectors} vectors, {heap_bytes} heap bytes, {dma_pages} DMA pages; {rows} rows")
    }
}
