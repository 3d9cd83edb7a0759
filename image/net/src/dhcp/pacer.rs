//! The limit of messages: a bucket of tokens, so that no answer makes the client send without pause.

use smoltcp::time::{Duration, Instant};

/// Messages that may be sent at once after a quiet time.
const BURST: u32 = 4;
/// The time in which a message is earned.
const INTERVAL: Duration = Duration::from_millis(500);

#[derive(Debug)]
pub(super) struct Pacer {
    tokens: u32,
    /// When the tokens were counted last.
    counted_at: Instant,
}

impl Pacer {
    pub(super) fn new(now: Instant) -> Self {
        Self { tokens: BURST, counted_at: now }
    }

    /// Takes a token. Without one, returns when there is one.
    pub(super) fn take(&mut self, now: Instant) -> Result<(), Instant> {
        while self.tokens < BURST && self.counted_at + INTERVAL <= now {
            self.counted_at += INTERVAL;
            self.tokens += 1;
        }
        if self.tokens == BURST {
            self.counted_at = now;
        }
        self.tokens = self.tokens.checked_sub(1).ok_or(self.counted_at + INTERVAL)?;
        Ok(())
    }
}
