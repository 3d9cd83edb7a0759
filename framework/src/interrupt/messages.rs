//! Messages (MSI and MSI-X): unshared, edge-triggered interrupts, each with the driver's own name for it.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::marker::PhantomData;

use super::error::{GrantError, SteerError};
use super::grant::MessageGrant;
use super::isr::{InIsr, MessageIsr, MessageSet};
use super::mask::MessageMask;
use super::state::{Granted, Live, Masked};
use crate::platform::Mode;
use crate::sync::ticks;
use crate::vector::{Activity, Claim, Cpu, HandlerBox, InterruptCounters, Placement, ServeInterrupt};

/// `N` messages for the handler `I`, in the state `S`: [`Granted`], then [`Masked`], then [`Live`].
///
/// With fewer vectors than messages, messages are folded: the first have an entry of their own, and the rest share the last.
///
/// ```
/// use std::sync::Arc;
/// use switchboard::interrupt::{InIsr, MessageIsr, Mode};
/// # use switchboard_testing::{FakeFunction, FakeMachine};
///
/// switchboard::messages! {
///     enum NicMessage { Receive, Transmit, Link }
/// }
/// # struct Shared;
/// # impl MessageIsr<3> for Shared {
/// #     type Message = NicMessage;
/// #     fn on_message(&self, _: NicMessage, _: &InIsr<'_>) {}
/// # }
/// # let fake = FakeMachine::new([FakeFunction::new(0x1af4, 0x1041).bar(1, 0x1000).msix(2, 1, 0, 0x800)]);
/// # let irq = fake.machine().take_all().remove(0).claim()?.irq;
/// // A function whose MSI-X table has two entries.
/// let messages = irq.grant_messages()?.register(Arc::new(Shared)).unmask();
/// assert_eq!((messages.mode(), messages.vectors()), (Mode::Msix, 2));
/// let folding: Vec<_> = messages.folding().collect();
/// assert_eq!(folding, [vec![NicMessage::Receive], vec![NicMessage::Transmit, NicMessage::Link]]);
/// // A driver writes these into the vector selection registers of its device.
/// assert_eq!([NicMessage::Transmit, NicMessage::Link].map(|message| messages.entry(message)), [1, 1]);
/// # Ok::<(), switchboard::driver::ProbeError>(())
/// ```
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
    /// Returns the mode: MSI or MSI-X.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.grant.mode()
    }

    /// Returns the number of vectors, which is less than `N` when messages are folded.
    #[must_use]
    pub fn vectors(&self) -> usize {
        self.grant.entries()
    }

    fn become_state<T>(self) -> Messages<N, I, T> {
        Messages { grant: self.grant, isr: self.isr, _state: PhantomData }
    }
}

impl<const N: usize, I: MessageIsr<N>, S> Messages<N, I, S> {
    /// Returns the entry that sends `message`, for the vector selection registers of the device.
    #[must_use]
    pub fn entry(&self, message: I::Message) -> u16 {
        self.grant.table_entry(message.index())
    }

    /// Returns the CPU that serves `message`.
    #[must_use]
    pub fn cpu(&self, message: I::Message) -> Cpu {
        self.grant.cpu(message.index())
    }

    /// Returns a mask for `message` that its handler and its task share, to poll under load; see [`MessageMask`]. Returns `None`
    /// for MSI, where messages cannot be masked one by one.
    #[must_use]
    pub fn mask_of(&self, message: I::Message) -> Option<MessageMask> {
        self.grant.mask_of(message.index())
    }

    /// Returns the messages of each entry.
    pub fn folding(&self) -> impl Iterator<Item = Vec<I::Message>> {
        (0..self.grant.entries()).map(|entry| self.folded(entry))
    }

    fn folded(&self, entry: usize) -> Vec<I::Message> {
        let all = I::Message::ALL.into_iter().enumerate();
        all.filter(|(index, _)| self.grant.entry(*index) == entry).map(|(_, message)| message).collect()
    }
}

impl<const N: usize, I: MessageIsr<N>> Messages<N, I, Granted> {
    /// Registers the context with which the handler is called. The registration holds it until it is dropped.
    pub fn register(mut self, isr: Arc<I>) -> Messages<N, I, Masked> {
        for entry in 0..self.grant.entries() {
            let messages = self.folded(entry);
            let names = messages.iter().filter_map(|message| I::Message::NAMES.get(message.index()).copied());
            let (context, shown) = (isr.clone(), messages.clone());
            let activity = move || {
                let each = shown.iter().map(|message| context.activity(*message));
                each.fold(Activity::IDLE, Activity::and)
            };
            let counters = self.grant.add_counters(entry, names.collect(), activity);
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
    /// Unmasks the messages. Those that the function kept pending are sent at once.
    pub fn unmask(self) -> Messages<N, I, Live> {
        self.grant.unmask();
        self.become_state()
    }
}

impl<const N: usize, I: MessageIsr<N>> Messages<N, I, Live> {
    /// Masks the messages. Afterwards no handler of this registration is running.
    pub fn mask(self) -> Messages<N, I, Masked> {
        self.grant.mask();
        self.become_state()
    }

    /// Runs `work` on the context while no handler of this registration runs, on any CPU. Interrupts of other functions are not
    /// affected. Messages that this function sends meanwhile are served afterwards.
    pub fn synchronize<R>(&mut self, work: impl FnOnce(&I) -> R) -> R {
        let isr = self.isr.as_deref().unwrap_or_else(|| unreachable!("live messages have a context"));
        self.grant.mask();
        let result = work(isr);
        self.grant.unmask();
        result
    }

    /// Runs `work` on the context while the handlers are in no slot: so not even a message that the device forges calls one.
    pub(super) fn without_handlers<R>(&mut self, work: impl FnOnce(&I) -> R) -> R {
        let isr = self.isr.as_deref().unwrap_or_else(|| unreachable!("live messages have a context"));
        self.grant.mask();
        let handlers = self.grant.take_handlers();
        let result = work(isr);
        self.grant.put_handlers(handlers);
        self.grant.unmask();
        result
    }

    /// Returns access to the single entries, or `None` for MSI: only MSI-X entries have an address, a mask and a pending bit each.
    #[must_use]
    pub fn as_msix(&mut self) -> Option<MsixMessages<'_, N, I>> {
        (self.mode() == Mode::Msix).then_some(MsixMessages { messages: self })
    }

    /// Returns access to the messages as the block that MSI has them in, or `None` for MSI-X.
    #[must_use]
    pub fn as_msi(&mut self) -> Option<MsiMessages<'_, N, I>> {
        (self.mode() == Mode::Msi).then_some(MsiMessages { messages: self })
    }
}

impl<const N: usize, I, S> fmt::Debug for Messages<N, I, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Messages({N} by {} on {} vectors)", self.mode(), self.vectors())
    }
}

/// Live messages that are known to be MSI-X messages, and so can be masked, checked, steered and added one by one.
///
/// ```
/// use std::sync::Arc;
/// # use switchboard::interrupt::{InIsr, MessageIsr};
/// # use switchboard_testing::{FakeFunction, FakeMachine};
/// # switchboard::messages! { enum NicMessage { Receive, Transmit } }
/// # struct Shared;
/// # impl MessageIsr<2> for Shared {
/// #     type Message = NicMessage;
/// #     fn on_message(&self, _: NicMessage, _: &InIsr<'_>) {}
/// # }
/// # let fake = FakeMachine::new([FakeFunction::new(0x1af4, 0x1041).bar(1, 0x1000).msix(2, 1, 0, 0x800)]);
/// # let function = fake.machine().take_all().remove(0);
/// # let address = function.address();
/// # let irq = function.claim()?.irq;
/// let mut messages = irq.grant_messages()?.register(Arc::new(Shared)).unmask();
/// let mut entries = messages.as_msix().expect("MSI-X was granted");
/// entries.mask(NicMessage::Transmit);
/// # assert!(fake.send(address, 1).is_none());
/// assert!(entries.is_pending(NicMessage::Transmit), "the function sent it meanwhile");
/// entries.unmask(NicMessage::Transmit);
/// # assert!(fake.send(address, 1).is_some());
/// # Ok::<(), switchboard::driver::ProbeError>(())
/// ```
#[derive(Debug)]
pub struct MsixMessages<'a, const N: usize, I: 'static> {
    messages: &'a mut Messages<N, I, Live>,
}

impl<const N: usize, I: MessageIsr<N>> MsixMessages<'_, N, I> {
    /// Masks the entry of one message, and of those folded with it. A message sent meanwhile stays pending.
    pub fn mask(&mut self, message: I::Message) {
        self.messages.grant.mask_one(message.index());
    }

    /// Unmasks the entry of one message. A pending one is sent at once.
    pub fn unmask(&mut self, message: I::Message) {
        self.messages.grant.unmask_one(message.index());
    }

    /// Returns whether the message is pending: sent by the device and held back by the mask.
    #[must_use]
    pub fn is_pending(&self, message: I::Message) -> bool {
        self.messages.grant.is_pending(message.index())
    }

    /// Moves one message, and those folded with it, to a CPU, also while the device sends it: none is lost, none is served twice, and its
    /// handler never runs on both CPUs at once. A message that was sent before is served before this returns; one that is
    /// sent meanwhile is pending, and served by the new CPU.
    ///
    /// ```
    /// use std::sync::Arc;
    /// # use std::sync::atomic::{AtomicUsize, Ordering};
    /// use switchboard::interrupt::{InIsr, MessageIsr};
    /// # use switchboard_testing::{FakeFunction, FakeMachine};
    /// # switchboard::messages! { enum NicMessage { Receive, Transmit } }
    /// #[derive(Default)]
    /// struct Shared {
    ///     calls: [AtomicUsize; 2],
    /// }
    /// impl MessageIsr<2> for Shared {
    ///     type Message = NicMessage;
    ///     fn on_message(&self, _: NicMessage, isr: &InIsr<'_>) {
    ///         self.calls[isr.cpu().number()].fetch_add(1, Ordering::Relaxed);
    ///     }
    /// }
    ///
    /// # let fake = FakeMachine::builder().cpus(2).build();
    /// # fake.insert(FakeFunction::new(0x1af4, 0x1041).bar(1, 0x1000).msix(2, 1, 0, 0x800));
    /// # fake.machine().scan();
    /// # let function = fake.machine().take_all().remove(0);
    /// # let address = function.address();
    /// # let irq = function.claim()?.irq;
    /// let cpus: Vec<_> = irq.cpus().collect();
    /// let shared = Arc::new(Shared::default());
    /// let mut messages = irq.grant_messages()?.register(shared.clone()).unmask();
    /// # fake.send(address, 0).expect("sent");
    /// let mut entries = messages.as_msix().expect("MSI-X was granted");
    /// entries.steer(NicMessage::Receive, cpus[1]).expect("the other CPU has vectors");
    /// # fake.send(address, 0).expect("sent");
    /// assert_eq!(shared.calls.each_ref().map(|calls| calls.load(Ordering::Relaxed)), [1, 1]);
    /// # Ok::<(), switchboard::driver::ProbeError>(())
    /// ```
    ///
    /// # Errors
    /// [`SteerError`]; the message stays where it was.
    pub fn steer(&mut self, message: I::Message, cpu: Cpu) -> Result<(), SteerError> {
        self.messages.grant.steer(message.index(), cpu)
    }

    /// Grants one more message: the next free entry of the table, with a vector of its own.
    ///
    /// # Errors
    /// [`GrantError::NoEntry`] when all entries are in use, [`GrantError::Vectors`] when all vectors are.
    pub fn another<J: MessageIsr<1>>(&self) -> Result<Messages<1, J>, GrantError> {
        self.messages.grant.another(Placement::Policy).map(Messages::new)
    }
}

/// Live messages that are known to be MSI messages. They share one address, and so move together.
///
/// ```
/// use std::sync::Arc;
/// # use switchboard::interrupt::{InIsr, MessageIsr};
/// # use switchboard_testing::{FakeFunction, FakeMachine};
/// # switchboard::messages! { enum NicMessage { Receive, Transmit } }
/// # struct Shared;
/// # impl MessageIsr<2> for Shared {
/// #     type Message = NicMessage;
/// #     fn on_message(&self, _: NicMessage, _: &InIsr<'_>) {}
/// # }
/// # let fake = FakeMachine::builder().cpus(2).build();
/// # fake.insert(FakeFunction::new(0x1af4, 0x1041).msi(2));
/// # fake.machine().scan();
/// # let irq = fake.machine().take_all().remove(0).claim()?.irq;
/// let other = irq.cpus().last().expect("there is one");
/// let mut messages = irq.grant_messages()?.register(Arc::new(Shared)).unmask();
/// messages.as_msi().expect("MSI was granted").steer(other).expect("the other CPU has vectors");
/// assert_eq!([NicMessage::Receive, NicMessage::Transmit].map(|message| messages.cpu(message)), [other, other]);
/// # Ok::<(), switchboard::driver::ProbeError>(())
/// ```
#[derive(Debug)]
pub struct MsiMessages<'a, const N: usize, I: 'static> {
    messages: &'a mut Messages<N, I, Live>,
}

impl<const N: usize, I: MessageIsr<N>> MsiMessages<'_, N, I> {
    /// Moves all messages to a CPU. What a function without mask bits sends meanwhile is made up for by a call of each handler.
    ///
    /// # Errors
    /// [`SteerError`]; the messages stay where they were.
    pub fn steer(&mut self, cpu: Cpu) -> Result<(), SteerError> {
        self.messages.grant.steer_block(cpu)
    }
}

/// The handler in the slot of a message that has a vector of its own.
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

/// The handler in the slot of several messages. The vector does not show which was sent, so each is served.
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
