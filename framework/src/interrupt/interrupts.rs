//! A granted line or granted messages, behind one interface.

use alloc::sync::Arc;
use core::fmt;

use super::isr::{LineIsr, MessageIsr};
use super::line::Line;
use super::mask::MessageMask;
use super::messages::Messages;
use super::state::{Granted, Live, Masked};
use crate::platform::Mode;

/// A line or messages, in the state `S`: [`Granted`], then [`Masked`], then [`Live`].
///
/// ```
/// use std::sync::Arc;
/// use switchboard::interrupt::{Claim, InIsr, Interrupts, LineIsr, Live, MessageIsr};
/// # use switchboard_testing::{FakeFunction, FakeMachine};
///
/// switchboard::messages! {
///     enum NicMessage { Receive, Transmit }
/// }
/// struct Shared;
/// impl LineIsr for Shared {
///     fn on_line(&self, _: &InIsr<'_>) -> Claim {
///         Claim::NotMine
///     }
/// }
/// impl MessageIsr<2> for Shared {
///     type Message = NicMessage;
///     fn on_message(&self, _: NicMessage, _: &InIsr<'_>) {}
/// }
/// struct Nic {
///     interrupts: Interrupts<2, Shared, Live>,
/// }
///
/// # let fake = FakeMachine::new([FakeFunction::new(0x1af4, 0x1041).bar(1, 0x1000).pin(1, 11).msix(4, 1, 0, 0x800)]);
/// # let irq = fake.machine().take_all().remove(0).claim()?.irq;
/// let nic = Nic { interrupts: irq.grant()?.register(Arc::new(Shared)).unmask() };
/// // The entry for the vector selection register of the device, or `None` on a line.
/// assert_eq!(nic.interrupts.entry(NicMessage::Transmit), Some(1));
/// # Ok::<(), switchboard::driver::ProbeError>(())
/// ```
pub enum Interrupts<const N: usize, I: 'static, S = Granted> {
    /// The function was granted its line.
    Line(Line<I, S>),
    /// The function was granted messages.
    Messages(Messages<N, I, S>),
}

impl<const N: usize, I, S> Interrupts<N, I, S> {
    /// Returns the mode that was granted.
    #[must_use]
    pub fn mode(&self) -> Mode {
        match self {
            Self::Line(_) => Mode::Intx,
            Self::Messages(messages) => messages.mode(),
        }
    }

    /// Returns the messages, or `None` when the line was granted.
    #[must_use]
    pub fn as_messages(&mut self) -> Option<&mut Messages<N, I, S>> {
        match self {
            Self::Line(_) => None,
            Self::Messages(messages) => Some(messages),
        }
    }
}

impl<const N: usize, I: MessageIsr<N>, S> Interrupts<N, I, S> {
    /// Returns the entry that sends `message`, or `None` when the line was granted; see [`Messages::entry`].
    #[must_use]
    pub fn entry(&self, message: I::Message) -> Option<u16> {
        match self {
            Self::Line(_) => None,
            Self::Messages(messages) => Some(messages.entry(message)),
        }
    }
}

impl<const N: usize, I: LineIsr + MessageIsr<N>> Interrupts<N, I, Granted> {
    /// Returns a mask for `message` that its handler and its task share, or `None` for a line; see [`Messages::mask_of`].
    #[must_use]
    pub fn mask_of(&self, message: I::Message) -> Option<MessageMask> {
        match self {
            Self::Line(_) => None,
            Self::Messages(messages) => messages.mask_of(message),
        }
    }

    /// Registers the context with which the handlers are called. The registration holds it until it is dropped.
    pub fn register(self, isr: Arc<I>) -> Interrupts<N, I, Masked> {
        match self {
            Self::Line(line) => Interrupts::Line(line.register(isr)),
            Self::Messages(messages) => Interrupts::Messages(messages.register(isr)),
        }
    }
}

impl<const N: usize, I: LineIsr + MessageIsr<N>> Interrupts<N, I, Masked> {
    /// Unmasks the source.
    pub fn unmask(self) -> Interrupts<N, I, Live> {
        match self {
            Self::Line(line) => Interrupts::Line(line.unmask()),
            Self::Messages(messages) => Interrupts::Messages(messages.unmask()),
        }
    }
}

impl<const N: usize, I: LineIsr + MessageIsr<N>> Interrupts<N, I, Live> {
    /// Runs `work` on the context while no handler of this registration runs, on any CPU. Interrupts of other functions are not
    /// affected. Interrupts that this one raises meanwhile are served afterwards.
    pub fn synchronize<R>(&mut self, work: impl FnOnce(&I) -> R) -> R {
        match self {
            Self::Line(line) => line.synchronize(work),
            Self::Messages(messages) => messages.synchronize(work),
        }
    }

    /// Masks the source. Afterwards no handler of this registration is running.
    pub fn mask(self) -> Interrupts<N, I, Masked> {
        match self {
            Self::Line(line) => Interrupts::Line(line.mask()),
            Self::Messages(messages) => Interrupts::Messages(messages.mask()),
        }
    }
}

impl<const N: usize, I, S> fmt::Debug for Interrupts<N, I, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Interrupts({})", self.mode())
    }
}
