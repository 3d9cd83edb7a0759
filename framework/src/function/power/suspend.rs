//! Suspend: a function in D3hot.

use super::saved::Saved;
use super::settle::{Settling, Step};
use super::state::{D3_DELAY, PowerState};
use crate::config::{Address, HeaderKind};
use crate::function::handle::Function;

impl Function {
    /// How awake it is.
    #[must_use]
    pub fn power_state(&self) -> PowerState {
        PowerState::read(self.record())
    }

    /// Puts it to sleep, in D3hot: quiet, and no longer decoding anything.
    ///
    /// # Errors
    /// [`SuspendError`] and the function, which is as it was.
    pub fn suspend(self) -> Result<Suspended, (SuspendError, Self)> {
        let (record, address) = (self.record(), self.address());
        if record.header().kind != HeaderKind::Endpoint {
            return Err((SuspendError::NotAnEndpoint { address }, self));
        }
        if record.facts.power.is_none() {
            return Err((SuspendError::NotOffered { address }, self));
        }
        let saved = Saved::take(record);
        PowerState::D3Hot.write(record);
        let since = self.machine().clock.now_ns();
        Ok(Suspended { function: self, saved, since })
    }
}

/// A function that was put to sleep. Dropped, it sleeps on until somebody takes and claims it.
#[derive(Debug)]
#[must_use]
pub struct Suspended {
    function: Function,
    saved: Saved,
    since: u64,
}

impl Suspended {
    /// Where it is.
    #[must_use]
    pub fn address(&self) -> Address {
        self.function.address()
    }

    /// How awake it says that it is. It may take 10 ms until it can be asked.
    #[must_use]
    pub fn power_state(&self) -> PowerState {
        self.function.power_state()
    }

    /// Wakes it. What it loses by that is put back.
    pub fn resume(self) -> Settling {
        let Self { function, saved, since } = self;
        Settling::new(function, saved, Step::Wake, since + D3_DELAY)
    }
}

/// Why a function was not put to sleep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SuspendError {
    /// What is behind a bridge would go with it.
    #[error("{address} is a bridge, not an endpoint")]
    NotAnEndpoint {
        /// The function.
        address: Address,
    },
    /// It has no power management capability.
    #[error("{address} has no power states")]
    NotOffered {
        /// The function.
        address: Address,
    },
}
