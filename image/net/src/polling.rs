//! A card that is polled while that is faster than its interrupts.

use core::mem;

use switchboard_drivers::adaptive_polling::AdaptivePolling;

use super::Nic;

/// Whether a card is polled, and whether it should be.
#[derive(Debug)]
pub struct Polling {
    polling: AdaptivePolling,
    is_polled: bool,
}

impl Polling {
    /// For a card that is polled for at most `poll_budget_ns` nanoseconds after a frame; with 0 never.
    #[must_use]
    pub const fn new(now: u64, poll_budget_ns: u64) -> Self {
        Self { polling: AdaptivePolling::new(now, poll_budget_ns), is_polled: false }
    }

    /// Takes note of a look at the card that found so many frames, at the time that `now_ns` returns. Returns whether another
    /// look has to follow at once: while a card is polled it wakes no task, and not for what came until the last of the looks.
    #[inline]
    pub fn looked(&mut self, nic: &mut dyn Nic, frames: u32, now_ns: impl FnOnce() -> u64) -> bool {
        // The clock is read only where the answer depends on it.
        self.polling.is_enabled() && self.decide(nic, frames, now_ns())
    }

    fn decide(&mut self, nic: &mut dyn Nic, frames: u32, now: u64) -> bool {
        if frames > 0 {
            self.polling.found(frames, now);
        }
        let polls = self.polling.should_poll(now);
        let was_polled = mem::replace(&mut self.is_polled, polls);
        if polls != was_polled {
            nic.set_polled(polls);
        }
        polls || was_polled
    }
}
