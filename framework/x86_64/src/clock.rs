//! Monotonic time: the time stamp counter (TSC), in nanoseconds.

#![expect(unsafe_code, reason = "reading the time stamp counter")]

use spin::Once;

use switchboard::platform::Clock;

static SCALE: Once<Scale> = Once::new();

/// Nanoseconds in a second.
pub(super) const SECOND_NS: u64 = 1_000_000_000;

/// The conversion of ticks to nanoseconds.
#[derive(Debug, Clone, Copy)]
struct Scale {
    start: u64,
    ratio: Ratio,
}

/// A ratio in 32.32 fixed point: a conversion is one multiplication and one shift.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ratio(u64);

impl Ratio {
    /// Returns the ratio of `to` units for each `from` units. A `from` of zero counts as one.
    pub(super) const fn new(from: u64, to: u64) -> Self {
        let from = if from == 0 { 1 } else { from };
        let factor = ((to as u128) << 32) / from as u128;
        Self(if factor > u64::MAX as u128 { u64::MAX } else { low(factor) })
    }

    /// Converts a value, saturating at `u64::MAX`.
    pub(super) const fn apply(self, value: u64) -> u64 {
        let product = (value as u128 * self.0 as u128) >> 32;
        if product > u64::MAX as u128 { u64::MAX } else { low(product) }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "its callers have compared it with u64::MAX")]
const fn low(value: u128) -> u64 {
    value as u64
}

/// Starts the clock at zero, with a counter of `frequency` Hz.
pub(super) fn init(frequency: u64) {
    SCALE.call_once(|| Scale { start: read_tsc(), ratio: Ratio::new(frequency, SECOND_NS) });
}

/// Returns the nanoseconds since [`init`](crate::init) started the clock, and zero before.
///
/// ```
/// assert_eq!(switchboard_x86_64::now_ns(), 0, "no machine runs in a host test");
/// ```
#[must_use]
pub fn now_ns() -> u64 {
    SCALE.get().map_or(0, |scale| scale.ratio.apply(read_tsc().wrapping_sub(scale.start)))
}

/// Converts an interval from ticks of the time stamp counter; zero before the clock was started.
pub(super) fn ticks_to_ns(ticks: u64) -> u64 {
    SCALE.get().map_or(0, |scale| scale.ratio.apply(ticks))
}

/// Reads the time stamp counter.
#[inline(always)]
pub(super) fn read_tsc() -> u64 {
    // SAFETY: every x86-64 CPU has it, and ring 0 may always read it.
    unsafe { core::arch::x86_64::_rdtsc() }
}

/// The clock of the machine.
pub(super) struct TscClock;

impl Clock for TscClock {
    fn now_ns(&self) -> u64 {
        now_ns()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_convert_both_ways() {
        let hertz = 2_600_000_000;
        let (to_time, to_ticks) = (Ratio::new(hertz, SECOND_NS), Ratio::new(SECOND_NS, hertz));
        let hour = 3_600 * SECOND_NS;
        let there_and_back = to_time.apply(to_ticks.apply(hour));
        assert!(hour.abs_diff(there_and_back) < 10_000, "{there_and_back}");
        assert_eq!(Ratio::new(SECOND_NS, SECOND_NS).apply(hour), hour);
    }

    #[test]
    fn ratios_saturate() {
        assert_eq!(Ratio::new(1, u64::MAX).apply(u64::MAX), u64::MAX);
        assert_eq!(Ratio::new(0, 5).apply(2), 10);
    }
}
