//! Devices that interrupt on request, and the accounting that detects a lost interrupt.
//!
//! Each interrupt of a source has a sequence number. Interrupts of one message coalesce before they are served, so
//! counting handler calls proves nothing. Instead the handler reads the last number that was raised, and serves all
//! interrupts up to it. Each raised interrupt is then handled, coalesced or lost.

use core::sync::atomic::{AtomicU64, Ordering};

use switchboard::function::Gone;
use switchboard::interrupt::{Cpu, Interrupts, LineIsr, Live, MessageIsr, MessageSet, Mode, SteerError};

/// A device that interrupts on request.
pub trait Raise {
    /// Returns the interrupt mode that was granted.
    fn mode(&self) -> Mode;

    /// Returns the number of independent interrupt sources. They are numbered from 0.
    fn sources(&self) -> usize;

    /// Raises the interrupt of a source once.
    ///
    /// # Errors
    /// [`RaiseError`]; no interrupt was raised.
    fn raise(&mut self, source: usize) -> Result<(), RaiseError>;

    /// Moves the interrupts of a source, and those that cannot be parted from it, to a CPU. The default leaves them where they are.
    ///
    /// # Errors
    /// [`SteerError`]; they stay where they were.
    fn steer(&mut self, source: usize, cpu: Cpu) -> Result<(), SteerError> {
        let _ = (source, cpu);
        Ok(())
    }

    /// Returns the counts of a source; all zero if there is no such source.
    fn count(&self, source: usize) -> SourceCounts;
}

/// Moves the interrupts of a message to a CPU: alone, with the block of MSI messages, or with the line.
pub(crate) fn steer<const N: usize, I: LineIsr + MessageIsr<N>>(
    interrupts: &mut Interrupts<N, I, Live>,
    index: usize,
    cpu: Cpu,
) -> Result<(), SteerError> {
    let messages = match interrupts {
        Interrupts::Line(line) => return line.steer(cpu),
        Interrupts::Messages(messages) => messages,
    };
    if let Some(mut block) = messages.as_msi() {
        return block.steer(cpu);
    }
    match (messages.as_msix(), I::Message::ALL.get(index)) {
        (Some(mut entries), Some(message)) => entries.steer(*message, cpu),
        _ => Ok(()),
    }
}

/// The counts of the interrupts of one source.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SourceCounts {
    /// Interrupts raised.
    pub raised: u64,
    /// Handler calls that found new interrupts.
    pub handled: u64,
    /// Interrupts that were served together with a later one by one handler call.
    pub coalesced: u64,
    /// Handler calls that found no new interrupt.
    pub idle: u64,
}

impl SourceCounts {
    /// Returns the number of interrupts that were raised and not yet served.
    #[must_use]
    pub fn outstanding(&self) -> u64 {
        self.raised.saturating_sub(self.handled + self.coalesced)
    }
}

/// The reason why an interrupt was not raised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RaiseError {
    /// There is no such source.
    #[error("there is no interrupt source {index}: the device has {sources}")]
    NoSource {
        /// The requested source.
        index: usize,
        /// The number of sources.
        sources: usize,
    },
    /// The device has not completed earlier requests; try again later.
    #[error("the device is busy")]
    Busy,
    /// The device was removed from the machine.
    #[error(transparent)]
    Gone(#[from] Gone),
    /// The device completed requests out of order, and was quarantined: it is reset and isolated from the bus.
    #[error("the device completed requests out of order, and is quarantined")]
    Quarantined,
}

/// The handler's side of a source: the last sequence number that was served, and the handler's calls.
#[derive(Debug, Default)]
pub(crate) struct SequenceTracker {
    last: AtomicU64,
    handled: AtomicU64,
    idle: AtomicU64,
}

impl SequenceTracker {
    /// Records that all interrupts up to `number` are served. Only one handler runs for a source, so no atomic
    /// read-modify-write operation is needed.
    #[inline]
    pub(crate) fn served_up_to(&self, number: u64) {
        let (last, calls) =
            (self.last.load(Ordering::Relaxed), if number > self.last() { &self.handled } else { &self.idle });
        self.last.store(number.max(last), Ordering::Release);
        calls.store(calls.load(Ordering::Relaxed) + 1, Ordering::Release);
    }

    /// Returns the last number that was served.
    pub(crate) fn last(&self) -> u64 {
        self.last.load(Ordering::Acquire)
    }

    /// Returns the counts of a source that has raised `raised` interrupts.
    pub(crate) fn count(&self, raised: u64) -> SourceCounts {
        let (handled, last) = (self.handled.load(Ordering::Acquire), self.last());
        SourceCounts {
            raised,
            handled,
            coalesced: last.saturating_sub(handled),
            idle: self.idle.load(Ordering::Acquire),
        }
    }
}

/// A source whose interrupts the driver itself raises.
#[derive(Debug, Default)]
pub(crate) struct InterruptSource {
    raised: AtomicU64,
    tracker: SequenceTracker,
}

impl InterruptSource {
    /// Takes the next sequence number. Called before the device is made to interrupt.
    pub(crate) fn next_number(&self) {
        self.raised.store(self.raised.load(Ordering::Relaxed) + 1, Ordering::Release);
    }

    /// Records that all interrupts raised so far are served. Called after the device is acknowledged, so that whatever is
    /// raised later interrupts again.
    #[inline]
    pub(crate) fn served(&self) {
        self.tracker.served_up_to(self.raised.load(Ordering::Acquire));
    }

    pub(crate) fn count(&self) -> SourceCounts {
        self.tracker.count(self.raised.load(Ordering::Acquire))
    }
}

/// Returns the source with an index.
pub(crate) fn source_of<T>(sources: &[T], source: usize) -> Result<&T, RaiseError> {
    sources.get(source).ok_or(RaiseError::NoSource { index: source, sources: sources.len() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_is_handled_coalesced_or_outstanding() {
        let source = InterruptSource::default();
        source.next_number();
        source.served();
        source.served();
        (0..3).for_each(|_| source.next_number());
        source.served();
        source.next_number();
        let count = source.count();
        assert_eq!(count, SourceCounts { raised: 5, handled: 2, coalesced: 2, idle: 1 });
        assert_eq!(count.outstanding(), 1);
    }

    #[test]
    fn lower_numbers_serve_nothing() {
        let tracker = SequenceTracker::default();
        for number in [7, 3, 0, 7] {
            tracker.served_up_to(number);
        }
        assert_eq!(tracker.count(7), SourceCounts { raised: 7, handled: 1, coalesced: 6, idle: 3 });
    }
}
