//! Whatever was granted: a line or messages, behind the same three steps.

use alloc::sync::Arc;
use core::fmt;

use super::line::Line;
use super::messages::Messages;
use super::{Claim, InIsr, LineIsr, MessageIsr, MessageMask, MessageSet, Mode};

/// Granted: nothing is registered, nothing can be called.
#[derive(Debug)]
pub enum Granted {}
/// Registered, and masked at the source.
#[derive(Debug)]
pub enum Masked {}
/// Registered, and delivered.
#[derive(Debug)]
pub enum Live {}

/// A line or messages, in the state `S`: [`Granted`], then [`Masked`], then [`Live`].
pub enum Interrupts<const N: usize, I: 'static, S = Granted> {
    /// The function was granted its line.
    Line(Line<I, S>),
    /// The function was granted messages.
    Messages(Messages<N, I, S>),
}

impl<const N: usize, I, S> Interrupts<N, I, S> {
    /// The mode that was granted.
    #[must_use]
    pub fn mode(&self) -> Mode {
        match self {
            Self::Line(_) => Mode::Intx,
            Self::Messages(messages) => messages.mode(),
        }
    }

    /// The messages, if messages were granted.
    #[must_use]
    pub fn as_messages(&mut self) -> Option<&mut Messages<N, I, S>> {
        match self {
            Self::Line(_) => None,
            Self::Messages(messages) => Some(messages),
        }
    }
}

impl<const N: usize, I: MessageIsr<N>, S> Interrupts<N, I, S> {
    /// The entry that sends `message`, if messages were granted; see [`Messages::entry`].
    #[must_use]
    pub fn entry(&self, message: I::Message) -> Option<u16> {
        match self {
            Self::Line(_) => None,
            Self::Messages(messages) => Some(messages.entry(message)),
        }
    }
}

impl<const N: usize, I: LineIsr + MessageIsr<N>> Interrupts<N, I, Granted> {
    /// A mask for `message` that its handler and its task share; see [`Messages::mask_of`]. `None` for a line.
    #[must_use]
    pub fn mask_of(&self, message: I::Message) -> Option<MessageMask> {
        match self {
            Self::Line(_) => None,
            Self::Messages(messages) => messages.mask_of(message),
        }
    }

    /// Registers the context that the handlers are called with. It is owned by the registration from here on.
    pub fn register(self, isr: Arc<I>) -> Interrupts<N, I, Masked> {
        match self {
            Self::Line(line) => Interrupts::Line(line.register(isr)),
            Self::Messages(messages) => Interrupts::Messages(messages.register(isr)),
        }
    }
}

impl<const N: usize, I: LineIsr + MessageIsr<N>> Interrupts<N, I, Masked> {
    /// Lets interrupts through.
    pub fn unmask(self) -> Interrupts<N, I, Live> {
        match self {
            Self::Line(line) => Interrupts::Line(line.unmask()),
            Self::Messages(messages) => Interrupts::Messages(messages.unmask()),
        }
    }
}

impl<const N: usize, I: LineIsr + MessageIsr<N>> Interrupts<N, I, Live> {
    /// Runs `work` on the context while no handler of this registration runs, on any CPU. Other functions' interrupts are not touched;
    /// what this one raises meanwhile is served afterwards.
    pub fn synchronize<R>(&mut self, work: impl FnOnce(&I) -> R) -> R {
        match self {
            Self::Line(line) => line.synchronize(work),
            Self::Messages(messages) => messages.synchronize(work),
        }
    }

    /// Silences the source. Afterwards no handler of this registration is running.
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

/// One routine for both forms: serves a line as `I` does, and a single message the same way.
///
/// Chosen on purpose, by [`InterruptPort::grant_service`](super::InterruptPort::grant_service).
#[derive(Debug)]
pub struct Either<I>(pub I);

/// The one message of [`Either`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TheMessage;

impl MessageSet<1> for TheMessage {
    const ALL: [Self; 1] = [Self];
    const NAMES: [&'static str; 1] = ["Service"];
    fn index(self) -> usize {
        0
    }
}

impl<I: LineIsr> LineIsr for Either<I> {
    fn on_line(&self, isr: &InIsr<'_>) -> Claim {
        self.0.on_line(isr)
    }
}

impl<I: LineIsr> MessageIsr<1> for Either<I> {
    type Message = TheMessage;
    fn on_message(&self, TheMessage: TheMessage, isr: &InIsr<'_>) {
        // Nobody else hears a message, so nobody else is asked; but it should have been this function's.
        if self.0.on_line(isr) == Claim::NotMine {
            isr.count_unclaimed();
        }
    }
}
