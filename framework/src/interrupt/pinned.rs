//! Messages that stay on one CPU, whose context is that CPU's alone.

#![expect(unsafe_code, reason = "a context that is reached by handlers of one CPU alone")]

use alloc::sync::Arc;
use core::fmt;

use super::error::GrantError;
use super::isr::{InIsr, MessageIsr, MessageSet};
use super::messages::Messages;
use super::port::InterruptPort;
use super::state::{Granted, Live, Masked};
use crate::platform::Mode;
use crate::vector::{Cpu, Placement};

/// The handler of `N` messages that one CPU serves. Unlike that of a [`MessageIsr`], its context need not be `Sync`: the messages are
/// pinned to the CPU, where handlers never interrupt each other.
///
/// The machine's watch does not look at such a context, which it would do on its own CPU.
///
/// ```
/// use std::cell::RefCell;
/// use switchboard::interrupt::{InIsr, PinnedIsr};
/// # use switchboard_testing::{FakeFunction, FakeMachine};
///
/// switchboard::messages! {
///     enum NicMessage { Receive, Transmit }
/// }
/// /// A ring that both messages use, without a lock.
/// struct Ring {
///     entries: RefCell<Vec<NicMessage>>,
/// }
/// impl PinnedIsr<2> for Ring {
///     type Message = NicMessage;
///     fn on_message(&self, message: NicMessage, _: &InIsr<'_>) {
///         self.entries.borrow_mut().push(message);
///     }
/// }
///
/// # let fake = FakeMachine::builder().cpus(2).build();
/// # fake.insert(FakeFunction::new(0x1af4, 0x1041).bar(1, 0x1000).msix(2, 1, 0, 0x800));
/// # fake.machine().scan();
/// # let function = fake.machine().take_all().remove(0);
/// # let address = function.address();
/// # let irq = function.claim()?.irq;
/// let cpu = irq.cpus().last().expect("there is one");
/// let ring = Ring { entries: RefCell::default() };
/// let mut messages = irq.grant_pinned(cpu)?.register(ring).unmask();
/// # fake.send(address, 1).expect("sent");
/// # fake.send(address, 0).expect("sent");
/// let entries = messages.with_context(|ring| ring.entries.take());
/// assert_eq!(entries, [NicMessage::Transmit, NicMessage::Receive]);
/// # Ok::<(), switchboard::driver::ProbeError>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot serve {N} messages on one CPU",
    note = "implement `PinnedIsr<{N}> for {Self}`; its context is `Send`, and need not be `Sync`"
)]
pub trait PinnedIsr<const N: usize>: Send + 'static {
    /// The driver's names for its messages.
    type Message: MessageSet<N>;

    /// Serves one message.
    fn on_message(&self, message: Self::Message, isr: &InIsr<'_>);
}

/// A context that handlers of one CPU share.
struct OnOneCpu<I>(I);

// SAFETY: `&I` is reached by the handlers of one CPU, which do not overlap, and by `with_context` while they are in no slot.
unsafe impl<I: Send> Sync for OnOneCpu<I> {}

impl<const N: usize, I: PinnedIsr<N>> MessageIsr<N> for OnOneCpu<I> {
    type Message = I::Message;
    #[inline]
    fn on_message(&self, message: I::Message, isr: &InIsr<'_>) {
        self.0.on_message(message, isr);
    }
}

/// `N` messages that stay on one CPU, for the handler `I`, in the state `S`; see [`PinnedIsr`]. Made by
/// [`InterruptPort::grant_pinned`].
pub struct PinnedMessages<const N: usize, I: 'static, S = Granted> {
    messages: Messages<N, OnOneCpu<I>, S>,
    cpu: Cpu,
}

impl InterruptPort {
    /// Grants `N` messages that `cpu` serves for good, by MSI-X or MSI. They are folded where it has fewer vectors.
    ///
    /// # Errors
    /// [`GrantError`] and the port.
    pub fn grant_pinned<const N: usize, I: PinnedIsr<N>>(
        mut self,
        cpu: Cpu,
    ) -> Result<PinnedMessages<N, I>, (GrantError, Self)> {
        let before = self.set_placement(Placement::Only(cpu));
        match self.grant_messages() {
            Ok(messages) => Ok(PinnedMessages { messages, cpu }),
            Err((error, mut port)) => {
                port.set_placement(before);
                Err((error, port))
            }
        }
    }
}

impl<const N: usize, I: PinnedIsr<N>, S> PinnedMessages<N, I, S> {
    /// Returns the CPU.
    #[must_use]
    pub fn cpu(&self) -> Cpu {
        self.cpu
    }

    /// Returns the mode: MSI or MSI-X.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.messages.mode()
    }

    /// Returns the entry that sends `message`; see [`Messages::entry`].
    #[must_use]
    pub fn entry(&self, message: I::Message) -> u16 {
        self.messages.entry(message)
    }
}

impl<const N: usize, I: PinnedIsr<N>> PinnedMessages<N, I, Granted> {
    /// Registers the context with which the handler is called. The registration owns it.
    pub fn register(self, context: I) -> PinnedMessages<N, I, Masked> {
        PinnedMessages { messages: self.messages.register(Arc::new(OnOneCpu(context))), cpu: self.cpu }
    }
}

impl<const N: usize, I: PinnedIsr<N>> PinnedMessages<N, I, Masked> {
    /// Unmasks the messages.
    pub fn unmask(self) -> PinnedMessages<N, I, Live> {
        PinnedMessages { messages: self.messages.unmask(), cpu: self.cpu }
    }
}

impl<const N: usize, I: PinnedIsr<N>> PinnedMessages<N, I, Live> {
    /// Runs `work` on the context while no handler of this registration runs. Messages that the function sends meanwhile are served
    /// afterwards.
    ///
    /// # Panics
    /// When called by one of the handlers.
    pub fn with_context<R>(&mut self, work: impl FnOnce(&I) -> R) -> R {
        self.messages.without_handlers(|context| work(&context.0))
    }

    /// Masks the messages. Afterwards no handler of this registration is running.
    pub fn mask(self) -> PinnedMessages<N, I, Masked> {
        PinnedMessages { messages: self.messages.mask(), cpu: self.cpu }
    }
}

impl<const N: usize, I, S> fmt::Debug for PinnedMessages<N, I, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pinned{:?} on {}", self.messages, self.cpu)
    }
}
