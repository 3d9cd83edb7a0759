//! The raw sources: their health, and the bits that they have given.

use super::health::{HealthTest, Limits};
use super::jitter::Jitter;
use super::{Entropy, Unfit};
use crate::hal::RandomInstruction;

/// The state of a raw source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceState {
    /// It has given no bits: the machine does not have it, or it was not asked yet.
    Absent,
    /// It passes its health test.
    Healthy,
    /// It has failed its health test, and counts for nothing since.
    Failed,
}

/// A raw source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SourceReport {
    /// Its name: `rdseed`, `rdrand`, `device` or `jitter`.
    pub name: &'static str,
    /// Its state.
    pub state: SourceState,
    /// The bits that it has given and that count, at most 2^32 - 1.
    pub bits: u32,
}

/// A source and its test.
#[derive(Debug)]
struct Source {
    name: &'static str,
    test: HealthTest,
    is_present: bool,
    bits: u32,
}

impl Source {
    const fn new(name: &'static str, limits: Limits) -> Self {
        Self { name, test: HealthTest::new(limits), is_present: false, bits: 0 }
    }

    /// Tests a sample of so many bits of entropy, and credits them.
    fn credit(&mut self, sample: u64, bits: u32) {
        self.is_present = true;
        if self.test.has_failed() {
            return;
        }
        if self.test.test(sample) {
            self.bits = self.bits.saturating_add(bits);
        } else {
            log::warn!("entropy: {} has failed its health test, and counts for nothing", self.name);
            // What it gave before may have been as bad.
            self.bits = 0;
        }
    }

    fn report(&self) -> SourceReport {
        let state = match (self.is_present, self.test.has_failed()) {
            (false, _) => SourceState::Absent,
            (true, false) => SourceState::Healthy,
            (true, true) => SourceState::Failed,
        };
        SourceReport { name: self.name, state, bits: self.bits }
    }
}

/// All sources.
#[derive(Debug)]
pub(super) struct Sources {
    rdseed: Source,
    rdrand: Source,
    device: Source,
    /// The last measurement of jitter, which counts for nothing.
    jitter: Option<bool>,
}

impl Sources {
    pub(super) const fn new() -> Self {
        Self {
            rdseed: Source::new("rdseed", Limits::WORDS),
            rdrand: Source::new("rdrand", Limits::WORDS),
            device: Source::new("device", Limits::BYTES),
            jitter: None,
        }
    }

    /// Tests and counts a word of a CPU's instruction.
    pub(super) fn credit_word(&mut self, instruction: RandomInstruction, word: u64) {
        match instruction {
            RandomInstruction::Rdseed => self.rdseed.credit(word, 64),
            RandomInstruction::Rdrand => self.rdrand.credit(word, 64),
        }
    }

    /// Tests and counts bytes of a random number device.
    pub(super) fn credit_device_bytes(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.device.credit((*byte).into(), 8));
    }

    /// Records whether jitter passed its test.
    pub(super) fn note_jitter(&mut self, jitter: &Jitter) {
        self.jitter = Some(jitter.has_passed);
    }

    /// Returns whether the sources have given so many bits.
    pub(super) fn state(&self, fit_bits: u32) -> Entropy {
        let sources = [&self.rdseed, &self.rdrand, &self.device];
        let bits = sources.iter().fold(0_u32, |bits, source| bits.saturating_add(source.bits));
        if bits >= fit_bits {
            return Entropy::Fit;
        }
        let mut present = sources.iter().filter(|source| source.is_present).peekable();
        Entropy::Unfit(match bits {
            0 if present.peek().is_none() => Unfit::NoSource,
            0 if present.all(|source| source.test.has_failed()) => Unfit::Failed,
            bits => Unfit::TooFew { bits },
        })
    }

    /// Returns the state of each source.
    pub(super) fn report(&self) -> [SourceReport; 4] {
        let jitter = match self.jitter {
            None => SourceState::Absent,
            Some(true) => SourceState::Healthy,
            Some(false) => SourceState::Failed,
        };
        let jitter = SourceReport { name: "jitter", state: jitter, bits: 0 };
        [self.rdseed.report(), self.rdrand.report(), self.device.report(), jitter]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use RandomInstruction::{Rdrand, Rdseed};

    #[test]
    fn enough_bits_of_any_source_are_fit() {
        let mut sources = Sources::new();
        assert_eq!(sources.state(256), Entropy::Unfit(Unfit::NoSource));
        for word in 1..4 {
            sources.credit_word(Rdrand, word);
        }
        assert_eq!(sources.state(256), Entropy::Unfit(Unfit::TooFew { bits: 192 }));
        sources.credit_device_bytes(&[1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(sources.state(256), Entropy::Fit);
    }

    #[test]
    fn jitter_alone_is_not_fit() {
        let mut sources = Sources::new();
        sources.note_jitter(&Jitter { mixed: [1; 32], has_passed: true });
        assert_eq!(sources.state(256), Entropy::Unfit(Unfit::NoSource));
        assert_eq!(sources.report()[3].state, SourceState::Healthy);
    }

    #[test]
    fn a_source_that_fails_loses_its_bits() {
        let mut sources = Sources::new();
        for word in [1, 2, 3, 4, u64::MAX, u64::MAX, 5, 6, 7, 8, 9] {
            sources.credit_word(Rdrand, word);
        }
        assert_eq!(sources.state(256), Entropy::Unfit(Unfit::Failed));
        assert_eq!(sources.report()[1], SourceReport { name: "rdrand", state: SourceState::Failed, bits: 0 });
        for word in 10..14 {
            sources.credit_word(Rdseed, word);
        }
        assert_eq!(sources.state(256), Entropy::Fit, "the other source is not affected");
    }
}
