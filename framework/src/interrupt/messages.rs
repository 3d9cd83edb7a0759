//! Messages: unshared, edge-triggered, each with the driver's own name for it.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::marker::PhantomData;

use super::interrupts::{Granted, Live, Masked};
use super::msi::Msi;
use super::msix::Msix;
use super::vectors::Row;
use super::{Bound, GrantError, InIsr, MessageIsr, MessageSet, Mode, Serve, VectorBlock};
use crate::function::Claimed;

/// `N` messages for the handlers of `I`, in the state `S`.
pub struct Messages<const N: usize, I: 'static, S = Granted> {
    grant: MessageGrant,
    _isr: PhantomData<fn() -> I>,
    _state: PhantomData<fn() -> S>,
}

impl<const N: usize, I> Messages<N, I, Granted> {
    pub(super) fn new(grant: MessageGrant) -> Self {
        Self { grant, _isr: PhantomData, _state: PhantomData }
    }
}

impl<const N: usize, I, S> Messages<N, I, S> {
    /// By MSI or by MSI-X.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.grant.source.mode()
    }

    /// Hardware vectors that the messages share; less than `N` when they fold.
    #[must_use]
    pub fn vectors(&self) -> usize {
        self.grant.entries
    }

    fn become_state<T>(self) -> Messages<N, I, T> {
        Messages { grant: self.grant, _isr: PhantomData, _state: PhantomData }
    }
}

impl<const N: usize, I: MessageIsr<N>, S> Messages<N, I, S> {
    /// The entry that sends `message`: what a driver writes into its device's vector selection registers.
    #[must_use]
    pub fn entry(&self, message: I::Message) -> u16 {
        u16::try_from(self.grant.entry(message.index())).unwrap_or_else(|_| unreachable!("at most 2,048 entries"))
    }

    /// Which messages share which entry, entry by entry.
    pub fn folding(&self) -> impl Iterator<Item = Vec<I::Message>> {
        (0..self.grant.entries).map(|entry| self.folded(entry))
    }

    fn folded(&self, entry: usize) -> Vec<I::Message> {
        let all = I::Message::ALL.into_iter().enumerate();
        all.filter(|(index, _)| self.grant.entry(*index) == entry).map(|(_, message)| message).collect()
    }
}

impl<const N: usize, I: MessageIsr<N>> Messages<N, I, Granted> {
    /// Registers the context that the handlers are called with. It is owned by the registration from here on.
    pub fn register(mut self, isr: Arc<I>) -> Messages<N, I, Masked> {
        for entry in 0..self.grant.entries {
            let messages = self.folded(entry);
            let names = messages.iter().filter_map(|message| I::Message::NAMES.get(message.index()).copied());
            let row = self.grant.add_row(entry, names.collect());
            let isr = isr.clone();
            let bound = match messages[..] {
                [message] => Bound::new(One { isr, message, row }),
                _ => Bound::new(Folded { isr, messages, row }),
            };
            self.grant.vectors.replace(entry, Some(bound));
        }
        self.become_state()
    }
}

impl<const N: usize, I: MessageIsr<N>> Messages<N, I, Masked> {
    /// Lets messages through: those of the past too, where the function kept them pending.
    pub fn unmask(self) -> Messages<N, I, Live> {
        self.grant.unmask();
        self.become_state()
    }
}

impl<const N: usize, I: MessageIsr<N>> Messages<N, I, Live> {
    /// Silences the source. Afterwards no handler of this registration is running.
    pub fn mask(self) -> Messages<N, I, Masked> {
        self.grant.mask();
        self.become_state()
    }

    /// The single entries, if these are MSI-X messages: only those have an address, a mask and a pending bit each.
    #[must_use]
    pub fn as_msix(&mut self) -> Option<MsixMessages<'_, N, I>> {
        matches!(self.grant.source, Source::Msix(_)).then_some(MsixMessages { messages: self })
    }
}

impl<const N: usize, I, S> fmt::Debug for Messages<N, I, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Messages({N} by {} on {} vectors)", self.mode(), self.vectors())
    }
}

/// Witness that live messages are MSI-X messages, and so can be handled one by one.
#[derive(Debug)]
pub struct MsixMessages<'a, const N: usize, I: 'static> {
    messages: &'a mut Messages<N, I, Live>,
}

impl<const N: usize, I: MessageIsr<N>> MsixMessages<'_, N, I> {
    /// Masks the entry of one message, and of those folded with it. What it would send stays pending.
    pub fn mask(&mut self, message: I::Message) {
        self.with(message, Msix::mask);
    }

    /// Unmasks the entry of one message; a pending one is sent at once.
    pub fn unmask(&mut self, message: I::Message) {
        self.with(message, Msix::unmask);
    }

    /// Whether the function holds the message back behind its mask.
    #[must_use]
    pub fn is_pending(&self, message: I::Message) -> bool {
        self.with(message, Msix::is_pending).unwrap_or(false)
    }

    fn with<R>(&self, message: I::Message, verb: impl FnOnce(&Msix, usize) -> R) -> Option<R> {
        let grant = &self.messages.grant;
        match &grant.source {
            Source::Msix(msix) => Some(verb(msix, grant.entry(message.index()))),
            Source::Msi(_) => None,
        }
    }
}

/// A message with a vector of its own.
struct One<const N: usize, I: MessageIsr<N>> {
    isr: Arc<I>,
    message: I::Message,
    row: Arc<Row>,
}

impl<const N: usize, I: MessageIsr<N>> Serve for One<N, I> {
    #[inline]
    fn serve(&self) {
        self.row.count();
        self.isr.on_message(self.message, &InIsr::new(&self.row));
    }
}

/// Several messages on one vector: which one it was cannot be known, so each is served.
struct Folded<const N: usize, I: MessageIsr<N>> {
    isr: Arc<I>,
    messages: Vec<I::Message>,
    row: Arc<Row>,
}

impl<const N: usize, I: MessageIsr<N>> Serve for Folded<N, I> {
    fn serve(&self) {
        self.row.count();
        for message in &self.messages {
            self.isr.on_message(*message, &InIsr::new(&self.row));
        }
    }
}

/// What messages hold of the machine. Dropping silences the source, takes the handlers out, and frees the vectors,
/// in this order.
pub(super) struct MessageGrant {
    source: Source,
    entries: usize,
    rows: Vec<Arc<Row>>,
    vectors: VectorBlock,
    claimed: Arc<Claimed>,
}

enum Source {
    Msi(Msi),
    Msix(Msix),
}

impl Source {
    fn mode(&self) -> Mode {
        match self {
            Self::Msi(_) => Mode::Msi,
            Self::Msix(_) => Mode::Msix,
        }
    }
}

impl MessageGrant {
    /// As many entries as there are messages, entries and vectors; at least one.
    pub(super) fn by_msix(claimed: &Arc<Claimed>, wanted: usize) -> Result<Self, GrantError> {
        let table = Msix::open(claimed)?;
        let free = claimed.machine().vectors.free().max(1);
        let entries = wanted.min(table.entries()).min(free).max(1);
        // Any vectors will do for MSI-X, but neighbours are simplest to own; halve until they fit.
        let vectors = allocate(claimed, entries)?;
        let entries = vectors.count();
        for entry in 0..entries {
            if let Some(vector) = vectors.vector(entry) {
                table.program(entry, claimed.machine().controller.message(vector));
            }
        }
        Ok(Self::new(claimed, Source::Msix(table), entries, vectors))
    }

    /// A power of two of neighbouring vectors, as many as there are messages and the function can send.
    pub(super) fn by_msi(claimed: &Arc<Claimed>, wanted: usize) -> Result<Self, GrantError> {
        let capable = usize::from(claimed.record().offers().msi);
        let vectors = allocate(claimed, wanted.next_power_of_two().min(capable))?;
        let Some(first) = vectors.vector(0) else { return Err(GrantError::Stuck { mode: Mode::Msi }) };
        let msi = Msi::open(claimed, vectors.count(), claimed.machine().controller.message(first))?;
        let entries = wanted.min(vectors.count());
        Ok(Self::new(claimed, Source::Msi(msi), entries, vectors))
    }

    fn new(claimed: &Arc<Claimed>, source: Source, entries: usize, vectors: VectorBlock) -> Self {
        // Messages are memory writes: without this the function drops them and says nothing.
        claimed.master_bus();
        claimed.record().update(|status| status.mode = Some(source.mode()));
        Self { source, entries, rows: Vec::new(), vectors, claimed: claimed.clone() }
    }

    /// The entry of the message with that index: its own, or the last one, which the rest share.
    fn entry(&self, index: usize) -> usize {
        index.min(self.entries - 1)
    }

    fn add_row(&mut self, entry: usize, names: Vec<&'static str>) -> Arc<Row> {
        let row = Row::new(&self.claimed, self.vectors.vector(entry), self.source.mode(), None, names);
        let row = Arc::new(row);
        self.claimed.machine().vectors.add_row(row.clone());
        self.rows.push(row.clone());
        row
    }

    fn unmask(&self) {
        match &self.source {
            Source::Msi(msi) => msi.unmask(),
            Source::Msix(msix) => (0..self.entries).for_each(|entry| msix.unmask(entry)),
        }
    }

    /// Silences the source; after that, what was already under way has been served.
    fn mask(&self) {
        match &self.source {
            Source::Msi(msi) => msi.mask(),
            Source::Msix(msix) => (0..self.entries).for_each(|entry| msix.mask(entry)),
        }
        self.vectors.wait_idle();
    }
}

impl Drop for MessageGrant {
    fn drop(&mut self) {
        self.mask();
        for row in &self.rows {
            self.claimed.machine().vectors.remove_row(row);
        }
        self.claimed.record().update(|status| status.mode = None);
    }
}

/// `wanted` vectors, or half, a quarter, ... of that where the machine runs short.
fn allocate(claimed: &Claimed, wanted: usize) -> Result<VectorBlock, GrantError> {
    let table = claimed.machine().vectors;
    let mut count = wanted;
    loop {
        match table.allocate(count) {
            Ok(vectors) => return Ok(vectors),
            Err(_) if count > 1 => count = count.div_ceil(2),
            Err(error) => return Err(error.into()),
        }
    }
}
