//! What messages hold of the machine, whatever their names: a source, vectors, and counters in the report.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::error::GrantError;
use super::mask::MessageMask;
use super::msi::Msi;
use super::msix::Msix;
use crate::ownership::Claimed;
use crate::platform::Mode;
use crate::sync::primitives::planted;
use crate::vector::{HandlerBox, InterruptCounters, VectorBlock};

/// Dropping silences the source, takes the handlers out, and frees the vectors, in this order.
pub(super) struct MessageGrant {
    source: Source,
    /// The first entry, of those of the source.
    first: usize,
    entries: usize,
    counters: Vec<Arc<InterruptCounters>>,
    vectors: VectorBlock,
    claimed: Arc<Claimed>,
}

enum Source {
    Msi(Msi),
    /// Shared by those who got more messages later.
    Msix(Arc<Msix>),
}

impl MessageGrant {
    /// As many entries as there are messages, entries and vectors; `least` at least.
    pub(super) fn by_msix(claimed: &Arc<Claimed>, wanted: usize, least: usize) -> Result<Self, GrantError> {
        let table = Arc::new(Msix::open(claimed)?);
        Self::of_table(claimed, table, wanted, least, true)
    }

    fn of_table(
        claimed: &Arc<Claimed>,
        table: Arc<Msix>,
        wanted: usize,
        least: usize,
        is_first: bool,
    ) -> Result<Self, GrantError> {
        let granted = wanted.min(table.free()).max(1);
        // Any vectors would do for MSI-X; neighbours are simplest to own.
        let vectors = allocate(claimed, granted, 1, is_first)?;
        let entries = enough(vectors.count(), least)?;
        let first = table.take(entries).ok_or(GrantError::NoEntry { entries: table.count() })?;
        Ok(Self::new(claimed, Source::Msix(table), first, entries, vectors))
    }

    /// A power of two of neighbouring vectors, as many as there are messages and the function can send.
    pub(super) fn by_msi(claimed: &Arc<Claimed>, wanted: usize, least: usize) -> Result<Self, GrantError> {
        let capable = usize::from(claimed.record().offers().msi);
        let power = wanted.next_power_of_two().min(capable);
        let vectors = allocate(claimed, power, power, true)?;
        let entries = enough(wanted.min(vectors.count()), least)?;
        let msi = Msi::open(claimed, &vectors)?;
        Ok(Self::new(claimed, Source::Msi(msi), 0, entries, vectors))
    }

    fn new(claimed: &Arc<Claimed>, source: Source, first: usize, entries: usize, vectors: VectorBlock) -> Self {
        // Messages are memory writes: unless it masters the bus, the function drops them and says nothing.
        claimed.prepare_messages();
        Self { source, first, entries, counters: Vec::new(), vectors, claimed: claimed.clone() }
    }

    /// One more entry of the same table.
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

    /// The entry, of the granted ones, of the message with that index: its own, or the last, which the rest share.
    pub(super) fn entry(&self, index: usize) -> usize {
        index.min(self.entries - 1)
    }

    /// The same, as the function numbers its entries.
    pub(super) fn table_entry(&self, index: usize) -> u16 {
        u16::try_from(self.first + self.entry(index)).unwrap_or_else(|_| unreachable!("a table has 2,048 entries"))
    }

    pub(super) fn add_counters(&mut self, entry: usize, names: Vec<&'static str>) -> Arc<InterruptCounters> {
        let record = self.claimed.record();
        let (function, driver) = (record.address(), record.driver());
        let vector = self.vectors.vector(entry);
        let counters = Arc::new(InterruptCounters::new(function, driver, vector, self.mode(), None, names));
        self.claimed.machine().vectors.add_counters(counters.clone());
        self.counters.push(counters.clone());
        counters
    }

    pub(super) fn bind(&self, entry: usize, handler: HandlerBox) {
        self.vectors.replace(entry, Some(handler));
    }

    /// Lets messages through. All that the function must know is told again: a registration that was masked for a
    /// reset of its function comes back.
    pub(super) fn unmask(&self) {
        self.claimed.prepare_messages();
        let controller = self.claimed.machine().controller;
        let vectors = (0..self.entries).filter_map(|entry| self.vectors.vector(entry));
        match &self.source {
            Source::Msi(msi) => {
                if msi.unmask() {
                    // What the function would have sent meanwhile is lost: call every handler once instead.
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

    /// Silences the source; after that, what was already under way has been served.
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

    /// A mask of one message that its ISR and its task share; `None` where messages have none of their own.
    pub(super) fn mask_of(&self, index: usize) -> Option<MessageMask> {
        match &self.source {
            Source::Msix(table) => Some(MessageMask::new(table.clone(), self.first + self.entry(index))),
            Source::Msi(_) => None,
        }
    }

    /// Counts a message that is about to be unmasked and was held back.
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

/// Allocates `wanted` vectors, or fewer where the machine runs short; for MSI (`align` above one) a power of two.
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

fn enough(granted: usize, least: usize) -> Result<usize, GrantError> {
    if granted < least { Err(GrantError::TooFew { wanted: least, granted }) } else { Ok(granted) }
}
