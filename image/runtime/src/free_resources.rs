//! Counts the free resources that drivers take, to detect leaks.

use core::fmt;

use switchboard::machine::Machine;

use crate::hal;

/// The free resources at one time. Two equal measurements mean that everything taken between them was returned.
///
/// ```
/// use switchboard_runtime::free_resources::FreeResources;
/// use switchboard_testing::{FakeFunction, FakeMachine};
///
/// let fake = FakeMachine::new([FakeFunction::new(0x1234, 0x11e8).at("00:03.0").bar(0, 0x1000).pin(1, 10).msi(1)]);
/// let before = FreeResources::measure(fake.machine());
/// let resources = fake.machine().take_all().remove(0).claim()?;
/// # struct Isr;
/// # impl switchboard::interrupt::MessageIsr<1> for Isr {
/// #     type Message = switchboard::interrupt::ServiceMessage;
/// #     fn on_message(&self, _: Self::Message, _: &switchboard::interrupt::InIsr<'_>) {}
/// # }
/// let messages = resources.irq.grant_messages::<1, Isr>().map_err(|(error, _)| error)?;
/// assert_eq!(FreeResources::measure(fake.machine()).vectors, before.vectors - 1);
/// drop(messages);
/// assert_eq!(FreeResources::measure(fake.machine()), before);
/// # Ok::<_, Box<dyn core::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct FreeResources {
    /// Interrupt vectors.
    pub vectors: usize,
    /// Bytes of the heap.
    pub heap_bytes: usize,
    /// Pages of the DMA pool, of 4,096 bytes each.
    pub dma_pages: usize,
    /// Handlers that are registered: in use and not free, but a leak changes this number, too.
    pub handlers: usize,
}

impl FreeResources {
    /// Measures what is free now.
    #[must_use]
    pub fn measure(machine: &Machine) -> Self {
        let handlers = machine.interrupt_report().len();
        let usage = hal::memory_usage();
        Self {
            vectors: machine.free_vectors(),
            heap_bytes: usage.heap_bytes_free,
            dma_pages: usage.dma_pages.saturating_sub(usage.dma_pages_used),
            handlers,
        }
    }
}

impl fmt::Display for FreeResources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { vectors, heap_bytes, dma_pages, handlers } = self;
        write!(f, "free: {vectors} vectors, {heap_bytes} heap bytes, {dma_pages} DMA pages; {handlers} handlers")
    }
}
