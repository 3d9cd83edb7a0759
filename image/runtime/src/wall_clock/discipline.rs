//! The correction of a clock: small offsets by its rate, large ones at once.

use super::UnixTime;

/// The largest offset that is slewed, in nanoseconds: NTP's step threshold (RFC 5905, figure 27). At the slew rate it
/// takes four minutes.
pub const MAX_SLEWED_OFFSET_NS: i64 = 128_000_000;
/// Nanoseconds in which a slewed clock is corrected by one: 500 parts per million, as `adjtime` of other systems.
const NS_PER_SLEWED_NS: u64 = 2_000;

/// What [`discipline`](super::discipline) did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Adjustment {
    /// The clock runs faster or slower until the offset is gone.
    Slewed,
    /// The clock was set.
    Stepped,
}

/// A clock: the monotonic time, an offset, and a correction under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Discipline {
    /// The time at `since_ns`.
    time_ns: u64,
    /// The monotonic time at which `time_ns` was right and the slew began.
    since_ns: u64,
    /// The correction that is applied from then on.
    slew_ns: i64,
}

impl Discipline {
    /// Makes a clock that shows `time` at the monotonic time `now_ns`.
    pub(super) const fn new(now_ns: u64, time: UnixTime) -> Self {
        Self { time_ns: time.nanoseconds(), since_ns: now_ns, slew_ns: 0 }
    }

    /// Returns the time at a monotonic time.
    pub(super) fn at(&self, now_ns: u64) -> UnixTime {
        let elapsed_ns = now_ns.saturating_sub(self.since_ns);
        let time_ns = self.time_ns.saturating_add(elapsed_ns);
        if self.slew_ns == 0 {
            return UnixTime::from_nanoseconds(time_ns);
        }
        let limit_ns = i64::try_from(elapsed_ns / NS_PER_SLEWED_NS).unwrap_or(i64::MAX);
        let slewed_ns = self.slew_ns.clamp(-limit_ns, limit_ns);
        UnixTime::from_nanoseconds(time_ns.saturating_add_signed(slewed_ns))
    }

    /// Corrects the clock by `offset_ns`, measured against what it shows now. What was left of the last correction is
    /// part of it.
    pub(super) fn correct(&mut self, now_ns: u64, offset_ns: i64) -> Adjustment {
        let time_ns = self.at(now_ns).nanoseconds();
        if (-MAX_SLEWED_OFFSET_NS..=MAX_SLEWED_OFFSET_NS).contains(&offset_ns) {
            *self = Self { time_ns, since_ns: now_ns, slew_ns: offset_ns };
            Adjustment::Slewed
        } else {
            *self = Self { time_ns: time_ns.saturating_add_signed(offset_ns), since_ns: now_ns, slew_ns: 0 };
            Adjustment::Stepped
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND_NS: u64 = 1_000_000_000;

    fn clock() -> Discipline {
        Discipline::new(SECOND_NS, UnixTime::from_seconds(1_000))
    }

    #[test]
    fn a_small_offset_is_slewed_without_going_back() {
        for offset_ns in [MAX_SLEWED_OFFSET_NS, -MAX_SLEWED_OFFSET_NS, 1, -1] {
            let mut clock = clock();
            assert_eq!(clock.correct(11 * SECOND_NS, offset_ns), Adjustment::Slewed);
            let mut last = clock.at(11 * SECOND_NS);
            assert_eq!(last, UnixTime::from_seconds(1_010), "nothing has changed yet");
            for step in 1..10_000 {
                let time = clock.at(11 * SECOND_NS + step * 50_000_000);
                assert!(time > last, "{offset_ns}: {time:?} after {last:?}");
                last = time;
            }
            let expected = (1_010 * SECOND_NS + 9_999 * 50_000_000).saturating_add_signed(offset_ns);
            assert_eq!(last.nanoseconds(), expected, "all of it was corrected");
        }
    }

    #[test]
    fn a_large_offset_is_a_step() {
        for offset_ns in [MAX_SLEWED_OFFSET_NS + 1, -3_600_000_000_000, i64::MAX, i64::MIN] {
            let mut clock = clock();
            let before = clock.at(2 * SECOND_NS).nanoseconds();
            assert_eq!(clock.correct(2 * SECOND_NS, offset_ns), Adjustment::Stepped);
            assert_eq!(clock.at(2 * SECOND_NS).nanoseconds(), before.saturating_add_signed(offset_ns));
        }
    }

    #[test]
    fn a_new_offset_replaces_the_rest_of_the_last() {
        let mut clock = clock();
        clock.correct(SECOND_NS, 100_000_000);
        // After 20 s, a tenth of it has been corrected; the server measures the rest.
        clock.correct(21 * SECOND_NS, 90_000_000);
        let end = clock.at(1_000 * SECOND_NS).nanoseconds();
        assert_eq!(end, 1_000 * SECOND_NS + 999 * SECOND_NS + 100_000_000);
    }

    #[test]
    fn a_time_before_the_start_is_the_start() {
        assert_eq!(clock().at(0), UnixTime::from_seconds(1_000));
    }
}
