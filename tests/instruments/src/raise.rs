//! Devices that interrupt when they are told to, and how it is told that no interrupt is lost.
//!
//! Every interrupt of a source has a number, one more than the last. Interrupts of one message merge before they are
//! served, so a handler does not count calls: it reads the last number that was raised, and answers for all up to
//! it. What was raised is then handled, or coalesced with what was, or lost.

use core::sync::atomic::{AtomicU64, Ordering};

use switchboard::function::Gone;
use switchboard::interrupt::Mode;

/// A device that interrupts when it is told to.
pub trait Raise {
    /// How its interrupts come.
    fn mode(&self) -> Mode;

    /// Interrupts that it keeps apart: each of 0 to `sources` has a handler call of its own.
    fn sources(&self) -> usize;

    /// Raises the interrupt of a source once.
    ///
    /// # Errors
    /// [`RaiseError`]; nothing was raised then.
    fn raise(&mut self, source: usize) -> Result<(), RaiseError>;

    /// What became of a source's interrupts; all zeros for a source that there is not.
    fn count(&self, source: usize) -> Count;
}

/// What became of the interrupts of a source.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Count {
    /// Interrupts raised.
    pub raised: u64,
    /// Handler calls that found new ones.
    pub handled: u64,
    /// Interrupts that were served together with a later one.
    pub coalesced: u64,
    /// Handler calls that found nothing new.
    pub idle: u64,
}

impl Count {
    /// Interrupts that no handler call has answered for.
    #[must_use]
    pub fn outstanding(&self) -> u64 {
        self.raised.saturating_sub(self.handled + self.coalesced)
    }
}

/// Why an interrupt was not raised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RaiseError {
    /// No such source.
    #[error("there is no interrupt source {index}: the device has {sources}")]
    NoSource {
        /// The source that was wanted.
        index: usize,
        /// How many there are.
        sources: usize,
    },
    /// The device has not taken what it was given before; it is worth another try later.
    #[error("the device is busy")]
    Busy,
    /// The device was taken out of the machine.
    #[error(transparent)]
    Gone(#[from] Gone),
    /// The device said what cannot be, and is set aside.
    #[error("the device answered out of turn, and is set aside")]
    Broken,
}

/// The handler's side of a source: how far it has answered.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    last: AtomicU64,
    handled: AtomicU64,
    idle: AtomicU64,
}

impl Answers {
    /// Answers for everything up to `number`. Only one handler runs for a source, so nothing here is a locked access.
    #[inline]
    pub(crate) fn answer(&self, number: u64) {
        let (last, calls) =
            (self.last.load(Ordering::Relaxed), if number > self.last() { &self.handled } else { &self.idle });
        self.last.store(number.max(last), Ordering::Release);
        calls.store(calls.load(Ordering::Relaxed) + 1, Ordering::Release);
    }

    /// The last number answered for.
    pub(crate) fn last(&self) -> u64 {
        self.last.load(Ordering::Acquire)
    }

    /// The whole account, given what was raised.
    pub(crate) fn count(&self, raised: u64) -> Count {
        let (handled, last) = (self.handled.load(Ordering::Acquire), self.last());
        Count { raised, handled, coalesced: last.saturating_sub(handled), idle: self.idle.load(Ordering::Acquire) }
    }
}

/// A source whose interrupts the driver itself raises.
#[derive(Debug, Default)]
pub(crate) struct InterruptSource {
    raised: AtomicU64,
    answers: Answers,
}

impl InterruptSource {
    /// Takes the next number; the device is told to interrupt after that.
    pub(crate) fn number(&self) {
        self.raised.store(self.raised.load(Ordering::Relaxed) + 1, Ordering::Release);
    }

    /// Answers for everything raised so far. Called after the device was acknowledged: what is raised from then on
    /// makes the device interrupt anew.
    #[inline]
    pub(crate) fn answer(&self) {
        self.answers.answer(self.raised.load(Ordering::Acquire));
    }

    pub(crate) fn count(&self) -> Count {
        self.answers.count(self.raised.load(Ordering::Acquire))
    }
}

/// The source of that number.
pub(crate) fn source_of<T>(sources: &[T], source: usize) -> Result<&T, RaiseError> {
    sources.get(source).ok_or(RaiseError::NoSource { index: source, sources: sources.len() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_is_handled_coalesced_or_outstanding() {
        let source = InterruptSource::default();
        source.number();
        source.answer();
        source.answer();
        (0..3).for_each(|_| source.number());
        source.answer();
        source.number();
        let count = source.count();
        assert_eq!(count, Count { raised: 5, handled: 2, coalesced: 2, idle: 1 });
        assert_eq!(count.outstanding(), 1);
    }

    #[test]
    fn numbers_that_go_back_answer_for_nothing() {
        let answers = Answers::default();
        for number in [7, 3, 0, 7] {
            answers.answer(number);
        }
        assert_eq!(answers.count(7), Count { raised: 7, handled: 1, coalesced: 6, idle: 3 });
    }
}
