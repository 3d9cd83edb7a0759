//! The continuous health tests of raw sources (NIST SP 800-90B, 4.4).
//!
//! The cutoffs are for a false alarm in 2^30 samples, about.

/// Samples of a window of the adaptive proportion test.
const WINDOW: u16 = 512;

/// The tests of a source: repetition count (4.4.1) and adaptive proportion (4.4.2).
#[derive(Debug, Clone, Copy)]
pub(super) struct HealthTest {
    limits: Limits,
    last: u64,
    /// How often `last` came in a row; 0 before the first sample.
    run: u16,
    /// The first sample of the window.
    first: u64,
    /// The samples of the window so far, and those that equal the first.
    window: u16,
    equal: u16,
    has_failed: bool,
}

/// The numbers at which a source has failed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Equal samples in a row.
    repetitions: u16,
    /// Samples of a window that equal its first.
    proportion: u16,
}

impl Limits {
    /// For words of 64 bits with full entropy: two equal ones in a row are less likely than a fault, as are three in a
    /// window.
    pub(super) const WORDS: Self = Self { repetitions: 2, proportion: 3 };
    /// For bytes with full entropy: of 512, two equal the first on average.
    pub(super) const BYTES: Self = Self { repetitions: 5, proportion: 16 };
    /// For samples of one bit of entropy, as jitter on hardware has: of 512, half equal the first on average.
    pub(super) const JITTER: Self = Self { repetitions: 31, proportion: 325 };
}

impl HealthTest {
    /// Makes the test of a source without samples.
    pub(super) const fn new(limits: Limits) -> Self {
        Self { limits, last: 0, run: 0, first: 0, window: 0, equal: 0, has_failed: false }
    }

    /// Tests a sample; returns `false` if the source has failed, now or before.
    pub(super) fn test(&mut self, sample: u64) -> bool {
        self.run = if self.run > 0 && sample == self.last { self.run + 1 } else { 1 };
        self.last = sample;
        if self.window == 0 {
            (self.first, self.equal) = (sample, 0);
        }
        self.window = (self.window + 1) % WINDOW;
        self.equal += u16::from(sample == self.first);
        self.has_failed |= self.run >= self.limits.repetitions || self.equal >= self.limits.proportion;
        !self.has_failed
    }

    /// Returns `true` if the source has failed.
    pub(super) const fn has_failed(&self) -> bool {
        self.has_failed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passes(limits: Limits, samples: impl IntoIterator<Item = u64>) -> bool {
        let mut test = HealthTest::new(limits);
        samples.into_iter().all(|sample| test.test(sample))
    }

    /// Numbers that look random.
    fn numbers(count: u64) -> impl Iterator<Item = u64> {
        (1..=count)
            .map(|index| index.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29).wrapping_mul(0xd6e8_feb8_6659_fd93))
    }

    #[test]
    fn random_numbers_pass() {
        assert!(passes(Limits::WORDS, numbers(100_000)));
        assert!(passes(Limits::BYTES, numbers(100_000).map(|number| number >> 56)));
        assert!(passes(Limits::JITTER, numbers(100_000).map(|number| number >> 63)));
    }

    #[test]
    fn a_source_that_is_stuck_fails_at_once() {
        // As RDRAND of some CPUs after sleep: all ones.
        assert!(!passes(Limits::WORDS, [u64::MAX; 2]));
        assert!(!passes(Limits::BYTES, [0; 5]));
        assert!(passes(Limits::BYTES, [0; 4]));
        assert!(!passes(Limits::JITTER, [9; 31]));
    }

    #[test]
    fn a_value_that_comes_too_often_fails() {
        let mixed = numbers(1_000).enumerate().map(|(index, number)| if index % 20 == 0 { 7 } else { number >> 56 });
        assert!(!passes(Limits::BYTES, mixed));
        assert!(!passes(Limits::WORDS, [1, 2, 1, 3, 1]));
    }

    #[test]
    fn a_failure_is_for_ever() {
        let mut test = HealthTest::new(Limits::WORDS);
        assert!(test.test(1) && !test.test(1) && !test.test(2));
        assert!(test.has_failed());
    }
}
