//! A token bucket, for what is sent in answer to what anybody may send.

use smoltcp::time::Instant;

/// Permits so many events a second, and as many at once.
#[derive(Debug)]
pub(super) struct RateLimit {
    per_second: u32,
    left: u32,
    filled_at: Instant,
}

impl RateLimit {
    pub(super) const fn new(per_second: u32) -> Self {
        Self { per_second, left: per_second, filled_at: Instant::from_micros_const(0) }
    }

    /// Takes one event. Returns whether it is permitted.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        let elapsed_us = now.total_micros().saturating_sub(self.filled_at.total_micros()).max(0);
        let new = elapsed_us.cast_unsigned().saturating_mul(self.per_second.into()) / 1_000_000;
        if new > 0 {
            self.filled_at = now;
            let sum = u64::from(self.left).saturating_add(new).min(self.per_second.into());
            self.left = u32::try_from(sum).unwrap_or(self.per_second);
        }
        let is_permitted = self.left > 0;
        self.left = self.left.saturating_sub(1);
        is_permitted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_and_then_the_rate() {
        let mut limit = RateLimit::new(100);
        let permitted =
            |limit: &mut RateLimit, ms: i64| (0..1000).filter(|_| limit.take(Instant::from_millis(ms))).count();
        assert_eq!(permitted(&mut limit, 0), 100);
        assert_eq!(permitted(&mut limit, 5), 0);
        assert_eq!(permitted(&mut limit, 100), 10);
        assert_eq!(permitted(&mut limit, 100_000), 100);
    }
}
