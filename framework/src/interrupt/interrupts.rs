//! Whatever was granted: a line or messages, behind the same three steps.

use alloc::sync::Arc;
use core::fmt;

use super::isr::{LineIsr, MessageIsr};
use super::line::Line;
use super::mask::MessageMask;
use super::messages::Messages;
use super::state::{Granted, Live, Masked};
use crate::platform::Mode;

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
