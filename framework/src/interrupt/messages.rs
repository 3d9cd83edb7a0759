//! Messages: unshared, edge-triggered, each with the driver's own name for it.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::marker::PhantomData;

use super::error::GrantError;
use super::grant::MessageGrant;
use super::isr::{InIsr, MessageIsr, MessageSet};
use super::mask::MessageMask;
use super::state::{Granted, Live, Masked};
use crate::platform::Mode;
use crate::sync::ticks;
use crate::vector::{Claim, HandlerBox, InterruptCounters, ServeInterrupt};

/// `N` messages for the handlers of `I`, in the state `S`.
pub struct Messages<const N: usize, I: 'static, S = Granted> {
    grant: MessageGrant,
    /// The context, once it is registered.
    isr: Option<Arc<I>>,
    _state: PhantomData<fn() -> S>,
}

impl<const N: usize, I> Messages<N, I, Granted> {
    pub(super) fn new(grant: MessageGrant) -> Self {
        Self { grant, isr: None, _state: PhantomData }
    }
}

impl<const N: usize, I, S> Messages<N, I, S> {
    /// By MSI or by MSI-X.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.grant.mode()
    }

    /// Hardware vectors that the messages share; less than `N` when they fold.
    #[must_use]
    pub fn vectors(&self) -> usize {
        self.grant.entries()
    }

    fn become_state<T>(self) -> Messages<N, I, T> {
        Messages { grant: self.grant, isr: self.isr, _state: PhantomData }
    }
}

impl<const N: usize, I: MessageIsr<N>, S> Messages<N, I, S> {
    /// The entry that sends `message`: what a driver writes into its device's vector selection registers.
    #[must_use]
    pub fn entry(&self, message: I::Message) -> u16 {
        self.grant.table_entry(message.index())
    }

    /// A mask for `message` that its handler and its task share, to poll while there is much to do. `None` where
    /// messages have no mask of their own: by MSI.
    #[must_use]
    pub fn mask_of(&self, message: I::Message) -> Option<MessageMask> {
        self.grant.mask_of(message.index())
    }

    /// Which messages share which entry, entry by entry.
    pub fn folding(&self) -> impl Iterator<Item = Vec<I::Message>> {
        (0..self.grant.entries()).map(|entry| self.folded(entry))
    }

    fn folded(&self, entry: usize) -> Vec<I::Message> {
        let all = I::Message::ALL.into_iter().enumerate();
        all.filter(|(index, _)| self.grant.entry(*index) == entry).map(|(_, message)| message).collect()
    }
}

impl<const N: usize, I: MessageIsr<N>> Messages<N, I, Granted> {
    /// Registers the context that the handlers are called with. It is owned by the registration from here on.
    pub fn register(mut self, isr: Arc<I>) -> Messages<N, I, Masked> {
        for entry in 0..self.grant.entries() {
            let messages = self.folded(entry);
            let names = messages.iter().filter_map(|message| I::Message::NAMES.get(message.index()).copied());
            let counters = self.grant.add_counters(entry, names.collect());
            let isr = isr.clone();
            let bound = match messages[..] {
                [message] => HandlerBox::new(One { isr, message, counters }),
                _ => HandlerBox::new(Folded { isr, messages, counters }),
            };
            self.grant.bind(entry, bound);
        }
        self.isr = Some(isr);
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

    /// Runs `work` on the context while no handler of this registration runs, on any CPU; other functions'
    /// interrupts are not touched. What the function sends meanwhile is served afterwards.
    pub fn synchronize<R>(&mut self, work: impl FnOnce(&I) -> R) -> R {
        let isr = self.isr.as_deref().unwrap_or_else(|| unreachable!("what is live was registered"));
        self.grant.mask();
        let result = work(isr);
        self.grant.unmask();
        result
    }

    /// The single entries, if these are MSI-X messages: only those have an address, a mask and a pending bit each.
    #[must_use]
    pub fn as_msix(&mut self) -> Option<MsixMessages<'_, N, I>> {
        (self.mode() == Mode::Msix).then_some(MsixMessages { messages: self })
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
        self.messages.grant.mask_one(message.index());
    }

    /// Unmasks the entry of one message; a pending one is sent at once.
    pub fn unmask(&mut self, message: I::Message) {
        self.messages.grant.unmask_one(message.index());
    }

    /// Whether the function holds the message back behind its mask.
    #[must_use]
    pub fn is_pending(&self, message: I::Message) -> bool {
        self.messages.grant.is_pending(message.index())
    }

    /// One more message, bound after the fact: the next free entry of the table, with a vector of its own.
    ///
    /// # Errors
    /// [`GrantError::NoEntry`] when the table is used up, [`GrantError::Vectors`] when the vectors are.
    pub fn another<J: MessageIsr<1>>(&self) -> Result<Messages<1, J>, GrantError> {
        self.messages.grant.another().map(Messages::new)
    }
}

/// A message with a vector of its own.
struct One<const N: usize, I: MessageIsr<N>> {
    isr: Arc<I>,
    message: I::Message,
    counters: Arc<InterruptCounters>,
}

impl<const N: usize, I: MessageIsr<N>> ServeInterrupt for One<N, I> {
    #[inline]
    fn serve(&self) -> Claim {
        self.counters.count_call();
        let began = ticks();
        self.isr.on_message(self.message, &InIsr::new(&self.counters));
        self.counters.record_duration(ticks().wrapping_sub(began));
        Claim::Mine
    }
}

/// Several messages on one vector: which one it was cannot be known, so each is served.
struct Folded<const N: usize, I: MessageIsr<N>> {
    isr: Arc<I>,
    messages: Vec<I::Message>,
    counters: Arc<InterruptCounters>,
}

impl<const N: usize, I: MessageIsr<N>> ServeInterrupt for Folded<N, I> {
    fn serve(&self) -> Claim {
        self.counters.count_call();
        let began = ticks();
        for message in &self.messages {
            self.isr.on_message(*message, &InIsr::new(&self.counters));
        }
        self.counters.record_duration(ticks().wrapping_sub(began));
        Claim::Mine
    }
}
