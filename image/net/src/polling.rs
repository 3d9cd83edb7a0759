//! Adaptive polling of one network card.

use core::mem;

use switchboard_drivers::adaptive_polling::AdaptivePolling;

use crate::nic::Nic;

/// Adaptive polling of one card, as Linux's NAPI: interrupts or polling, whichever is measured to be faster.
///
/// ```
/// use switchboard_net::Polling;
/// use switchboard_net_testing::TestCard;
///
/// let (mut card, _peer) = TestCard::pair();
/// let mut never = Polling::new(0, 0);
/// assert!(!never.polled(&mut card, 1, || 1_000), "a budget of zero is interrupts only");
/// ```
#[derive(Debug)]
pub struct Polling {
    policy: AdaptivePolling,
    is_polled: bool,
}

impl Polling {
    /// Creates the policy for a card that is polled for at most `poll_budget_ns` nanoseconds after a frame, with 0 never;
    /// at the time `now_ns`.
    #[must_use]
    pub const fn new(now_ns: u64, poll_budget_ns: u64) -> Self {
        Self { policy: AdaptivePolling::new(now_ns, poll_budget_ns), is_polled: false }
    }

    /// Records that a poll of the card found so many frames at the time that `now_ns` returns, and turns the card's interrupts
    /// off or on. Returns whether the card has to be polled again at once: one whose interrupts were off during this poll
    /// wakes no task.
    #[inline]
    pub fn polled(&mut self, nic: &mut dyn Nic, frames: u32, now_ns: impl FnOnce() -> u64) -> bool {
        // Reading the clock is slow, so it is read only where the answer depends on it.
        self.policy.is_enabled() && self.decide(nic, frames, now_ns())
    }

    fn decide(&mut self, nic: &mut dyn Nic, frames: u32, now_ns: u64) -> bool {
        if frames > 0 {
            self.policy.found(frames, now_ns);
        }
        let polls = self.policy.should_poll(now_ns);
        let was_polled = mem::replace(&mut self.is_polled, polls);
        if polls != was_polled {
            nic.set_polled(polls);
        }
        polls || was_polled
    }
}
