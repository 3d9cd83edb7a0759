//! Functions that return from a reset or from D3hot, and must not be accessed for a while.
//!
//! The framework has no executor, so a [`Settling`] function is polled, and returns how long to wait until the next poll. Every
//! step has a timeout.

use super::reset::ResetControl;
use super::saved::{BarNotRestored, SavedConfig};
use super::state::{D3_DELAY_NS, PowerState};
use crate::config::Address;
use crate::function::handle::Function;
use crate::ownership::ResetInProgress;
use crate::sync::primitives::spin_loop;

const NS_PER_MS: u64 = 1_000_000;
/// The timeout for pending requests of the function; it is reset anyway after that (PCIe 4.0, 6.6.2, implementation note).
const DRAIN_TIMEOUT_NS: u64 = 100 * NS_PER_MS;
const DRAIN_POLL_NS: u64 = NS_PER_MS;
/// The time that a function takes until it is ready after a reset (6.6.2).
const RESET_DELAY_NS: u64 = 100 * NS_PER_MS;
/// The timeout for a function that completes requests with Configuration Request Retry Status (6.6.1: broken after one second).
const READY_TIMEOUT_NS: u64 = 1_000 * NS_PER_MS;
const READY_POLL_NS: u64 = 10 * NS_PER_MS;

/// The next step of a function that settles.
#[derive(Debug, Clone, Copy)]
pub(in crate::function) enum SettlingStep {
    /// Reset the function when none of its requests is pending.
    Drain { control: ResetControl, since_ns: u64 },
    /// Set the power state to D0.
    Wake,
    /// Check whether the function is ready.
    AwaitReady { since_ns: u64 },
}

/// A function that was reset or woken and is not ready yet. If this is dropped, the function can be taken again, in the state
/// that it has by then; claiming it restores its BARs.
///
/// ```
/// # use switchboard::function::PowerState;
/// # use switchboard_testing::{FakeFunction, FakeMachine};
/// # let fake = FakeMachine::new([FakeFunction::new(0x1234, 0x11e8).capability(0x01, &[2, 0, 0, 0, 0, 0])]);
/// # let suspended = fake.machine().take_all().remove(0).suspend().unwrap();
/// let settling = suspended.resume();
/// assert!(settling.remaining_ns() <= 10_000_000);
/// // Code without an executor waits here; other code polls, as at `Function::reset`.
/// let function = settling.wait().expect("the function wakes");
/// assert_eq!(function.power_state(), PowerState::D0);
/// ```
#[derive(Debug)]
#[must_use]
pub struct Settling {
    function: Function,
    saved: SavedConfig,
    step: SettlingStep,
    not_before_ns: u64,
    reset_in_progress: ResetInProgress,
}

/// The result of [`Settling::poll`].
#[derive(Debug)]
pub enum Settled {
    /// The function is ready: in D0, quiesced, with its configuration restored.
    Ready(Function),
    /// The function is not ready; poll again after [`Settling::remaining_ns`].
    NotYet(Settling),
}

impl Settling {
    pub(in crate::function) fn new(
        function: Function,
        saved: SavedConfig,
        step: SettlingStep,
        not_before_ns: u64,
    ) -> Self {
        let reset_in_progress = ResetInProgress::new(function.record());
        Self { function, saved, step, not_before_ns, reset_in_progress }
    }

    /// Wakes a function that something else (firmware, or a driver before) put into a low-power state. It may have been just now,
    /// so the full delay is waited.
    pub(in crate::function) fn wake(function: Function) -> Self {
        let (saved, now) = (SavedConfig::take(function.record()), function.machine().clock.now_ns());
        Self::new(function, saved, SettlingStep::Wake, now + D3_DELAY_NS)
    }

    /// Returns the address of the function.
    #[must_use]
    pub fn address(&self) -> Address {
        self.function.address()
    }

    /// Returns the time until the next step is due, in nanoseconds.
    #[must_use]
    pub fn remaining_ns(&self) -> u64 {
        self.not_before_ns.saturating_sub(self.function.machine().clock.now_ns())
    }

    /// Performs the next step if it is due. Does not wait.
    ///
    /// # Errors
    /// [`SettleError`] when the function does not become ready in its former state. It can then be taken again. One that does
    /// not respond at all is marked as removed.
    pub fn poll(mut self) -> Result<Settled, SettleError> {
        let (clock, record) = (self.function.machine().clock, self.function.record());
        let now = clock.now_ns();
        if now < self.not_before_ns {
            return Ok(Settled::NotYet(self));
        }
        match self.step {
            SettlingStep::Drain { control, since_ns } => {
                let is_pending = control.is_pending(record);
                if is_pending && now.saturating_sub(since_ns) < DRAIN_TIMEOUT_NS {
                    self.not_before_ns = now + DRAIN_POLL_NS;
                } else {
                    control.initiate(record);
                    // The delay starts after the write.
                    let now = clock.now_ns();
                    (self.step, self.not_before_ns) =
                        (SettlingStep::AwaitReady { since_ns: now }, now + RESET_DELAY_NS);
                }
            }
            SettlingStep::Wake => {
                PowerState::D0.write(record);
                let now = clock.now_ns();
                (self.step, self.not_before_ns) = (SettlingStep::AwaitReady { since_ns: now }, now + D3_DELAY_NS);
            }
            SettlingStep::AwaitReady { since_ns } => {
                let (wanted, found) = (record.header().vendor, record.read_ids().0);
                if found == wanted {
                    return self.finish();
                }
                if now.saturating_sub(since_ns) >= READY_TIMEOUT_NS {
                    let machine = self.function.machine();
                    machine.mark_gone(record);
                    return Err(SettleError::Absent { address: self.address(), wanted, found });
                }
                self.not_before_ns = now + READY_POLL_NS;
            }
        }
        Ok(Settled::NotYet(self))
    }

    /// Spins until the function is ready.
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
        drop(self.reset_in_progress);
        Ok(Settled::Ready(self.function))
    }
}

/// The reason why a function did not become ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SettleError {
    /// The function does not respond with its Vendor ID: 0x0001 is Configuration Request Retry Status, 0xffff no response.
    #[error("{address} did not come back: its vendor is {wanted:#06x} and reads {found:#06x}")]
    Absent {
        /// The function.
        address: Address,
        /// Its Vendor ID before.
        wanted: u16,
        /// The Vendor ID that was read.
        found: u16,
    },
    /// The function does not enter D0.
    #[error("{address} does not wake: it stays in {state:?}")]
    Asleep {
        /// The function.
        address: Address,
        /// The state that it stays in.
        state: PowerState,
    },
    /// A BAR does not take its address again.
    #[error(transparent)]
    Bar(#[from] BarNotRestored),
}
