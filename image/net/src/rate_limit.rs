//! A limit of what is sent or logged in answer to what any peer may send.

use smoltcp::time::{Duration, Instant};

/// A token bucket: a token for each interval, of which a few are saved.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RateLimit {
    tokens: u32,
    burst: u32,
    interval: Duration,
    /// The time up to which tokens were added.
    filled_at: Instant,
}

impl RateLimit {
    /// Creates a limit of `per_second` tokens, of which up to `burst` are saved.
    pub(crate) const fn new(per_second: u32, burst: u32) -> Self {
        Self::with_interval(Duration::from_micros(1_000_000 / per_second as u64), burst)
    }

    /// Creates a limit of a token for each `interval`, of which up to `burst` are saved.
    pub(crate) const fn with_interval(interval: Duration, burst: u32) -> Self {
        Self { tokens: burst, burst, interval, filled_at: Instant::ZERO }
    }

    /// Takes a token. Returns whether there was one.
    pub(crate) fn take(&mut self, now: Instant) -> bool {
        if self.tokens < self.burst && now > self.filled_at {
            let passed = (now - self.filled_at).total_micros() / self.interval.total_micros();
            let added = u32::try_from(passed).unwrap_or(u32::MAX).min(self.burst - self.tokens);
            self.tokens += added;
            self.filled_at += self.interval * added;
        }
        if self.tokens == self.burst {
            self.filled_at = now;
        }
        let has_token = self.tokens > 0;
        self.tokens -= u32::from(has_token);
        has_token
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_so_many_a_second() {
        let mut limit = RateLimit::new(10, 3);
        let mut now = Instant::from_secs(50);
        assert_eq!((0..10).filter(|_| limit.take(now)).count(), 3);
        now += Duration::from_millis(99);
        assert!(!limit.take(now));
        now += Duration::from_millis(2);
        assert!(limit.take(now) && !limit.take(now));
        let passed = (0..10_000).filter(|_| {
            now += Duration::from_millis(1);
            limit.take(now)
        });
        assert!((99..=101).contains(&passed.count()));
        now += Duration::from_secs(1000);
        assert_eq!((0..10).filter(|_| limit.take(now)).count(), 3, "no more than a burst is saved");
    }

    #[test]
    fn what_was_saved_passes_at_once_and_then_the_rate() {
        let mut limit = RateLimit::new(100, 100);
        let permitted =
            |limit: &mut RateLimit, ms: i64| (0..1000).filter(|_| limit.take(Instant::from_millis(ms))).count();
        assert_eq!(permitted(&mut limit, 0), 100);
        assert_eq!(permitted(&mut limit, 5), 0);
        assert_eq!(permitted(&mut limit, 100), 10);
        assert_eq!(permitted(&mut limit, 100_000), 100);
    }
}
