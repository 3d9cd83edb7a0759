//! A function on its way back, from a reset or from sleep: nobody may touch it for a while.
//!
//! The framework has no executor to wait by, so a [`Settling`] function is polled: each time it says how long to
//! leave it alone. Every stage has a bound, whatever the function does.

use super::reset::Lever;
use super::saved::{BarNotRestored, Saved};
use super::state::{D3_DELAY, PowerState};
use crate::config::Address;
use crate::function::handle::Function;
use crate::ownership::ResetInProgress;
use crate::sync::primitives::spin_loop;

const MILLISECOND: u64 = 1_000_000;
/// For what the function still waits for; it is reset all the same then (PCIe 4.0, 6.6.2, implementation note).
const DRAIN_LIMIT: u64 = 100 * MILLISECOND;
const DRAIN_POLL: u64 = MILLISECOND;
/// For the function to be ready after its reset (6.6.2).
const RESET_DELAY: u64 = 100 * MILLISECOND;
/// For a function that says "not yet" by completions with retry status (6.6.1: broken after a second).
const RETURN_LIMIT: u64 = 1_000 * MILLISECOND;
const RETURN_POLL: u64 = 10 * MILLISECOND;

/// What comes next.
#[derive(Debug, Clone, Copy)]
pub(in crate::function) enum Step {
    /// Reset it, once nothing of it is under way.
    Drain { lever: Lever, since: u64 },
    /// Tell it to wake.
    Wake,
    /// See whether it is back.
    Return { since: u64 },
}

/// A function that was reset or woken, and is not back yet. Dropped, it is left to itself: whoever takes and claims
/// it next finds it as it is by then.
#[derive(Debug)]
#[must_use]
pub struct Settling {
    function: Function,
    saved: Saved,
    step: Step,
    not_before: u64,
    away: ResetInProgress,
}

/// How far a function has come.
#[derive(Debug)]
pub enum Settled {
    /// It is back: awake, quiet, with its configuration as it was.
    Ready(Function),
    /// It is not; ask again when [`Settling::remaining_ns`] is over.
    NotYet(Settling),
}

impl Settling {
    pub(in crate::function) fn new(function: Function, saved: Saved, step: Step, not_before: u64) -> Self {
        let away = ResetInProgress::new(function.record());
        Self { function, saved, step, not_before, away }
    }

    /// Wakes a function that somebody else put to sleep, who knows when: as late as if it had been just now.
    pub(in crate::function) fn wake(function: Function) -> Self {
        let (saved, now) = (Saved::take(function.record()), function.machine().clock.now_ns());
        Self::new(function, saved, Step::Wake, now + D3_DELAY)
    }

    /// Where it is.
    #[must_use]
    pub fn address(&self) -> Address {
        self.function.address()
    }

    /// Nanoseconds until it is worth asking again.
    #[must_use]
    pub fn remaining_ns(&self) -> u64 {
        self.not_before.saturating_sub(self.function.machine().clock.now_ns())
    }

    /// Takes the next step when it is due. Does not wait.
    ///
    /// # Errors
    /// [`SettleError`] when it does not come back as it was. Nobody has it then; one that does not come back at all
    /// is gone, as if it had been pulled out.
    pub fn poll(mut self) -> Result<Settled, SettleError> {
        let (clock, record) = (self.function.machine().clock, self.function.record());
        let now = clock.now_ns();
        if now < self.not_before {
            return Ok(Settled::NotYet(self));
        }
        match self.step {
            Step::Drain { lever, since } => {
                let is_pending = lever.is_pending(record);
                if is_pending && now.saturating_sub(since) < DRAIN_LIMIT {
                    self.not_before = now + DRAIN_POLL;
                } else {
                    lever.pull(record);
                    // From when it was told, and not from when that was decided.
                    let now = clock.now_ns();
                    (self.step, self.not_before) = (Step::Return { since: now }, now + RESET_DELAY);
                }
            }
            Step::Wake => {
                PowerState::D0.write(record);
                let now = clock.now_ns();
                (self.step, self.not_before) = (Step::Return { since: now }, now + D3_DELAY);
            }
            Step::Return { since } => {
                let (wanted, found) = (record.header().vendor, record.space.read_u16(0));
                if found == wanted {
                    return self.finish();
                }
                if now.saturating_sub(since) >= RETURN_LIMIT {
                    let machine = self.function.machine();
                    machine.mark_gone(record);
                    return Err(SettleError::Absent { address: self.address(), wanted, found });
                }
                self.not_before = now + RETURN_POLL;
            }
        }
        Ok(Settled::NotYet(self))
    }

    /// Waits until it is back, spinning: for code that has nothing better to do.
    ///
    /// # Errors
    /// As [`Self::poll`].
    pub fn wait(mut self) -> Result<Function, SettleError> {
        loop {
            match self.poll()? {
                Settled::Ready(function) => return Ok(function),
                Settled::NotYet(settling) => self = settling,
            }
            spin_loop();
        }
    }

    fn finish(self) -> Result<Settled, SettleError> {
        let (record, address) = (self.function.record(), self.address());
        let state = PowerState::read(record);
        if state != PowerState::D0 {
            return Err(SettleError::Asleep { address, state });
        }
        self.saved.restore(record)?;
        drop(self.away);
        Ok(Settled::Ready(self.function))
    }
}

/// Why a function is not back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SettleError {
    /// It does not answer, or as something else: 0x0001 is a retry, 0xffff nobody.
    #[error("{address} did not come back: its vendor is {wanted:#06x} and reads {found:#06x}")]
    Absent {
        /// The function.
        address: Address,
        /// Who it was.
        wanted: u16,
        /// Who it says it is.
        found: u16,
    },
    /// It does not wake.
    #[error("{address} does not wake: it stays in {state:?}")]
    Asleep {
        /// The function.
        address: Address,
        /// Where it stays.
        state: PowerState,
    },
    /// It came back without its BARs.
    #[error(transparent)]
    Bar(#[from] BarNotRestored),
}
