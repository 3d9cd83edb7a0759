//! The resources of granted messages, independent of their names: the MSI or MSI-X capability, vectors, and counters.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::slice;

use super::error::GrantError;
use super::mask::MessageMask;
use super::msi::Msi;
use super::msix::Msix;
use crate::ownership::Claimed;
use crate::platform::Mode;
use crate::sync::primitives::planted;
use crate::vector::{Activity, Cpu, HandlerBox, InterruptCounters, Placement, VectorBlock};

/// The resources of granted messages. Dropping masks the source, removes the handlers, and frees the vectors, in this order.
pub(super) struct MessageGrant {
    pub(super) source: Source,
    /// The first of its entries in the table of the source.
    pub(super) first: usize,
    entries: usize,
    pub(super) counters: Vec<Arc<InterruptCounters>>,
    pub(super) claimed: Arc<Claimed>,
}

/// The capability that sends the messages, and the vectors that they arrive at.
pub(super) enum Source {
    /// All messages have one address, and so one CPU.
    Msi(Msi, VectorBlock),
    /// The table is shared with the grants of messages that were added later. Each entry has a vector.
    Msix(Arc<Msix>, Vec<VectorBlock>),
}

impl MessageGrant {
    /// Grants as many entries as there are messages, free entries and vectors, at least `min_vectors`, by MSI-X.
    pub(super) fn by_msix(
        claimed: &Arc<Claimed>,
        wanted: usize,
        min_vectors: usize,
        placement: Placement,
    ) -> Result<Self, GrantError> {
        let table = Arc::new(Msix::open(claimed)?);
        Self::of_table(claimed, table, wanted, min_vectors, placement, true)
    }

    fn of_table(
        claimed: &Arc<Claimed>,
        table: Arc<Msix>,
        wanted: usize,
        min_vectors: usize,
        placement: Placement,
        is_first: bool,
    ) -> Result<Self, GrantError> {
        let granted = wanted.min(table.free()).max(1);
        let vectors = claimed.machine().cpus.allocate_each(granted, is_first, placement)?;
        let entries = check_minimum(vectors.len(), min_vectors)?;
        let first = table.take(entries).ok_or(GrantError::NoEntry { entries: table.count() })?;
        Ok(Self::new(claimed, Source::Msix(table, vectors), first, entries))
    }

    /// Grants contiguous vectors by MSI: a power of two, for as many messages as wanted and as the function can send.
    pub(super) fn by_msi(
        claimed: &Arc<Claimed>,
        wanted: usize,
        min_vectors: usize,
        placement: Placement,
    ) -> Result<Self, GrantError> {
        let capable = usize::from(claimed.record().offers().msi);
        let mut count = wanted.next_power_of_two().min(capable);
        let vectors = loop {
            match claimed.machine().cpus.allocate(count, count, count == 1, placement) {
                Ok(vectors) => break vectors,
                Err(_) if count > 1 => count /= 2,
                Err(error) => return Err(error.into()),
            }
        };
        let entries = check_minimum(wanted.min(count), min_vectors)?;
        let msi = Msi::open(claimed, &vectors)?;
        Ok(Self::new(claimed, Source::Msi(msi, vectors), 0, entries))
    }

    fn new(claimed: &Arc<Claimed>, source: Source, first: usize, entries: usize) -> Self {
        // Messages are memory writes: without bus mastering, the function drops them silently.
        claimed.prepare_messages();
        Self { source, first, entries, counters: Vec::new(), claimed: claimed.clone() }
    }

    /// Grants one more entry of the same table.
    pub(super) fn another(&self, placement: Placement) -> Result<Self, GrantError> {
        match &self.source {
            Source::Msix(table, _) => Self::of_table(&self.claimed, table.clone(), 1, 1, placement, false),
            Source::Msi(_, vectors) => Err(GrantError::NoEntry { entries: vectors.count() }),
        }
    }

    /// Returns the vectors of an entry: the block, and the index in it.
    fn vector(&self, entry: usize) -> (&VectorBlock, usize) {
        match &self.source {
            Source::Msi(_, vectors) => (vectors, entry),
            Source::Msix(_, vectors) => (&vectors[entry], 0),
        }
    }

    fn blocks(&self) -> &[VectorBlock] {
        match &self.source {
            Source::Msi(_, vectors) => slice::from_ref(vectors),
            Source::Msix(_, vectors) => vectors,
        }
    }

    /// Returns the CPU that serves the message with that index.
    pub(super) fn cpu(&self, index: usize) -> Cpu {
        self.vector(self.entry(index)).0.cpu()
    }

    pub(super) fn mode(&self) -> Mode {
        match &self.source {
            Source::Msi(..) => Mode::Msi,
            Source::Msix(..) => Mode::Msix,
        }
    }

    pub(super) fn entries(&self) -> usize {
        self.entries
    }

    /// Returns which of the granted entries sends the message with that index: its own, or the last, which the rest share.
    pub(super) fn entry(&self, index: usize) -> usize {
        index.min(self.entries - 1)
    }

    /// Returns the same entry by its number in the function's table.
    pub(super) fn table_entry(&self, index: usize) -> u16 {
        u16::try_from(self.first + self.entry(index)).unwrap_or_else(|_| unreachable!("a table has 2,048 entries"))
    }

    pub(super) fn add_counters(
        &mut self,
        entry: usize,
        names: Vec<&'static str>,
        activity: impl Fn() -> Activity + Send + Sync + 'static,
    ) -> Arc<InterruptCounters> {
        let record = self.claimed.record();
        let (function, driver) = (record.address(), record.driver());
        let (machine, activity) = (self.claimed.machine(), Claimed::while_in_use(&self.claimed, activity));
        let counters =
            Arc::new(InterruptCounters::new(&machine.cpus, function, driver, self.mode(), None, names, activity));
        let (block, index) = self.vector(entry);
        counters.set_place(block, index);
        machine.handlers.add_counters(counters.clone());
        self.counters.push(counters.clone());
        counters
    }

    pub(super) fn bind(&self, entry: usize, handler: HandlerBox) {
        let (block, index) = self.vector(entry);
        block.replace(index, Some(handler));
    }

    /// Takes the handlers out of their slots.
    ///
    /// # Panics
    /// When called by one of them.
    pub(super) fn take_handlers(&self) -> Vec<HandlerBox> {
        let take = |entry| {
            let (block, index) = self.vector(entry);
            assert!(block.slot(index).wait_idle(), "a handler reaches its context as an argument");
            block.replace(index, None)
        };
        // Each entry has one: all are registered.
        (0..self.entries).filter_map(take).collect()
    }

    /// Puts back what [`take_handlers`](Self::take_handlers) has returned.
    pub(super) fn put_handlers(&self, handlers: Vec<HandlerBox>) {
        handlers.into_iter().enumerate().for_each(|(entry, handler)| self.bind(entry, handler));
    }

    /// Unmasks the messages. Programs the function anew, so that a registration works again after it was masked for a reset of
    /// its function.
    pub(super) fn unmask(&self) {
        self.claimed.prepare_messages();
        let controller = self.claimed.machine().controller;
        match &self.source {
            Source::Msi(msi, vectors) => {
                if msi.unmask() {
                    // Messages of the time without the enable bit are lost: call every handler once in their place.
                    planted!(
                        (0..self.entries).for_each(|entry| controller.raise(vectors.vector(entry))),
                        "lost-messages-not-made-up" => { let _ = vectors; },
                    );
                }
            }
            Source::Msix(table, vectors) => {
                table.enable();
                for (entry, vectors) in (self.first..).zip(vectors) {
                    table.program(entry, controller.message(vectors.vector(0)));
                }
                for entry in 0..self.entries {
                    self.count_if_pending(entry);
                    table.unmask(self.first + entry);
                }
            }
        }
    }

    /// Masks the source. Afterwards, the messages that were already sent have been served. Returns `false` when they have not: the
    /// caller is their handler, or their CPU serves no interrupts.
    pub(super) fn mask(&self) -> bool {
        match &self.source {
            Source::Msi(msi, _) => msi.mask(),
            Source::Msix(table, _) => table.mask(self.first..self.first + self.entries),
        }
        let controller = self.claimed.machine().controller;
        let mut is_served = true;
        for vectors in self.blocks() {
            is_served &= vectors.wait_served(controller);
        }
        is_served
    }

    pub(super) fn mask_one(&self, index: usize) {
        self.mask_of(index).inspect(MessageMask::mask);
    }

    /// Unmasks one entry for its registration.
    pub(super) fn unmask_entry(&self, entry: usize) {
        if let Source::Msix(table, _) = &self.source {
            table.unmask(self.first + entry);
        }
    }

    pub(super) fn unmask_one(&self, index: usize) {
        self.count_if_pending(index);
        self.mask_of(index).inspect(MessageMask::unmask);
    }

    /// Returns a mask of one message for its handler and its task, or `None` when messages cannot be masked one by one.
    pub(super) fn mask_of(&self, index: usize) -> Option<MessageMask> {
        match &self.source {
            Source::Msix(table, _) => Some(MessageMask::new(table.clone(), self.first + self.entry(index))),
            Source::Msi(..) => None,
        }
    }

    /// Counts a message that is pending and is about to be unmasked.
    pub(super) fn count_if_pending(&self, index: usize) {
        if self.is_pending(index)
            && let Some(counters) = self.counters.get(self.entry(index))
        {
            counters.count_masked_while_pending();
        }
    }

    pub(super) fn is_pending(&self, index: usize) -> bool {
        match &self.source {
            Source::Msix(table, _) => table.is_pending(self.first + self.entry(index)),
            Source::Msi(..) => false,
        }
    }
}

impl Drop for MessageGrant {
    fn drop(&mut self) {
        self.mask();
        if let Source::Msix(table, _) = &self.source {
            table.give_back(self.first..self.first + self.entries);
        }
        for counters in &self.counters {
            self.claimed.machine().handlers.remove_counters(counters);
        }
    }
}

fn check_minimum(granted: usize, min_vectors: usize) -> Result<usize, GrantError> {
    if granted < min_vectors { Err(GrantError::TooFew { wanted: min_vectors, granted }) } else { Ok(granted) }
}
