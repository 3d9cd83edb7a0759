//! The bare machine as the runtime sees it.

use core::fmt;

use switchboard_runtime::hal::{Hal, MemoryUsage, install};
use switchboard_x86_64 as arch;

struct BareMachine;

impl Hal for BareMachine {
    fn print(&self, text: fmt::Arguments<'_>) {
        arch::console::print(text);
    }

    fn exit(&self, is_success: bool) -> ! {
        arch::shutdown::exit(is_success)
    }

    fn memory_usage(&self) -> MemoryUsage {
        let figures = arch::memory_usage();
        MemoryUsage {
            heap_bytes: figures.heap.total,
            heap_bytes_used: figures.heap.used,
            heap_bytes_free: figures.heap.free,
            dma_pages: figures.dma_pages,
            dma_pages_used: figures.dma_pages_used,
        }
    }

    fn random_seed(&self) -> u64 {
        arch::random_seed()
    }
}

/// Makes the bare machine the host of the runtime.
pub(crate) fn init() {
    install(&BareMachine);
}
