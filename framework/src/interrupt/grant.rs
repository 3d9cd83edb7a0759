//! The resources of granted messages, independent of their names: the MSI or MSI-X capability, vectors, and counters.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::error::GrantError;
use super::mask::MessageMask;
use super::msi::Msi;
use super::msix::Msix;
use crate::ownership::Claimed;
use crate::platform::Mode;
use crate::sync::primitives::planted;
use crate::vector::{Activity, HandlerBox, InterruptCounters, VectorBlock};

/// The resources of granted messages. Dropping masks the source, removes the handlers, and frees the vectors, in this order.
pub(super) struct MessageGrant {
    source: Source,
    /// The first of its entries in the table of the source.
    first: usize,
    entries: usize,
    counters: Vec<Arc<InterruptCounters>>,
    vectors: VectorBlock,
    claimed: Arc<Claimed>,
}

enum Source {
    Msi(Msi),
    /// Shared with the grants of messages that were added later.
    Msix(Arc<Msix>),
}

impl MessageGrant {
    /// Grants as many entries as there are messages, free entries and vectors, at least `min_vectors`, by MSI-X.
    pub(super) fn by_msix(claimed: &Arc<Claimed>, wanted: usize, min_vectors: usize) -> Result<Self, GrantError> {
        let table = Arc::new(Msix::open(claimed)?);
        Self::of_table(claimed, table, wanted, min_vectors, true)
    }

    fn of_table(
        claimed: &Arc<Claimed>,
        table: Arc<Msix>,
        wanted: usize,
        min_vectors: usize,
        is_first: bool,
    ) -> Result<Self, GrantError> {
        let granted = wanted.min(table.free()).max(1);
        // MSI-X does not need contiguous vectors; they are the simplest to own.
        let vectors = allocate(claimed, granted, 1, is_first)?;
        let entries = check_minimum(vectors.count(), min_vectors)?;
        let first = table.take(entries).ok_or(GrantError::NoEntry { entries: table.count() })?;
        Ok(Self::new(claimed, Source::Msix(table), first, entries, vectors))
    }

    /// Grants contiguous vectors by MSI: a power of two, for as many messages as wanted and as the function can send.
    pub(super) fn by_msi(claimed: &Arc<Claimed>, wanted: usize, min_vectors: usize) -> Result<Self, GrantError> {
        let capable = usize::from(claimed.record().offers().msi);
        let power = wanted.next_power_of_two().min(capable);
        let vectors = allocate(claimed, power, power, true)?;
        let entries = check_minimum(wanted.min(vectors.count()), min_vectors)?;
        let msi = Msi::open(claimed, &vectors)?;
        Ok(Self::new(claimed, Source::Msi(msi), 0, entries, vectors))
    }

    fn new(claimed: &Arc<Claimed>, source: Source, first: usize, entries: usize, vectors: VectorBlock) -> Self {
        // Messages are memory writes: without bus mastering, the function drops them silently.
        claimed.prepare_messages();
        Self { source, first, entries, counters: Vec::new(), vectors, claimed: claimed.clone() }
    }

    /// Grants one more entry of the same table.
    pub(super) fn another(&self) -> Result<Self, GrantError> {
        match &self.source {
            Source::Msix(table) => Self::of_table(&self.claimed, table.clone(), 1, 1, false),
            Source::Msi(_) => Err(GrantError::NoEntry { entries: self.vectors.count() }),
        }
    }

    pub(super) fn mode(&self) -> Mode {
        match &self.source {
            Source::Msi(_) => Mode::Msi,
            Source::Msix(_) => Mode::Msix,
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
        let vector = self.vectors.vector(entry);
        let activity = Claimed::while_in_use(&self.claimed, activity);
        let counters = Arc::new(InterruptCounters::new(function, driver, vector, self.mode(), None, names, activity));
        self.claimed.machine().vectors.add_counters(counters.clone());
        self.counters.push(counters.clone());
        counters
    }

    pub(super) fn bind(&self, entry: usize, handler: HandlerBox) {
        self.vectors.replace(entry, Some(handler));
    }

    /// Unmasks the messages. Programs the function anew, so that a registration works again after it was masked for a reset of
    /// its function.
    pub(super) fn unmask(&self) {
        self.claimed.prepare_messages();
        let controller = self.claimed.machine().controller;
        let vectors = (0..self.entries).filter_map(|entry| self.vectors.vector(entry));
        match &self.source {
            Source::Msi(msi) => {
                if msi.unmask() {
                    // Messages of the time without the enable bit are lost: call every handler once in their place.
                    planted!(
                        vectors.for_each(|vector| controller.raise(vector)),
                        "lost-messages-not-made-up" => drop(vectors),
                    );
                }
            }
            Source::Msix(table) => {
                table.enable();
                for (entry, vector) in (self.first..).zip(vectors) {
                    table.program(entry, controller.message(vector));
                }
                for entry in 0..self.entries {
                    self.count_if_pending(entry);
                    table.unmask(self.first + entry);
                }
            }
        }
    }

    /// Masks the source. Afterwards, the messages that were already sent have been served.
    pub(super) fn mask(&self) {
        match &self.source {
            Source::Msi(msi) => msi.mask(),
            Source::Msix(table) => table.mask(self.first..self.first + self.entries),
        }
        self.vectors.wait_idle();
    }

    pub(super) fn mask_one(&self, index: usize) {
        self.mask_of(index).inspect(MessageMask::mask);
    }

    pub(super) fn unmask_one(&self, index: usize) {
        self.count_if_pending(index);
        self.mask_of(index).inspect(MessageMask::unmask);
    }

    /// Returns a mask of one message for its handler and its task, or `None` when messages cannot be masked one by one.
    pub(super) fn mask_of(&self, index: usize) -> Option<MessageMask> {
        match &self.source {
            Source::Msix(table) => Some(MessageMask::new(table.clone(), self.first + self.entry(index))),
            Source::Msi(_) => None,
        }
    }

    /// Counts a message that is pending and is about to be unmasked.
    fn count_if_pending(&self, index: usize) {
        if self.is_pending(index)
            && let Some(counters) = self.counters.get(self.entry(index))
        {
            counters.count_masked_while_pending();
        }
    }

    pub(super) fn is_pending(&self, index: usize) -> bool {
        match &self.source {
            Source::Msix(table) => table.is_pending(self.first + self.entry(index)),
            Source::Msi(_) => false,
        }
    }
}

impl Drop for MessageGrant {
    fn drop(&mut self) {
        self.mask();
        if let Source::Msix(table) = &self.source {
            table.give_back(self.first..self.first + self.entries);
        }
        for counters in &self.counters {
            self.claimed.machine().vectors.remove_counters(counters);
        }
    }
}

/// Allocates `wanted` vectors, or fewer when vectors are short; for MSI (`align` above 1) a power of two.
fn allocate(claimed: &Claimed, wanted: usize, align: usize, is_first: bool) -> Result<VectorBlock, GrantError> {
    let table = claimed.machine().vectors;
    let (mut count, mut align) = (wanted, align);
    loop {
        match table.allocate(count, align, is_first && count == 1) {
            Ok(vectors) => return Ok(vectors),
            Err(short) if count > 1 && align == 1 => count = short.free.clamp(1, count - 1),
            Err(_) if count > 1 => (count, align) = (count / 2, align / 2),
            Err(error) => return Err(error.into()),
        }
    }
}

fn check_minimum(granted: usize, min_vectors: usize) -> Result<usize, GrantError> {
    if granted < min_vectors { Err(GrantError::TooFew { wanted: min_vectors, granted }) } else { Ok(granted) }
}
