//! Suspend: a function in D3hot.

use super::saved::SavedConfig;
use super::settle::{Settling, SettlingStep};
use super::state::{D3_DELAY_NS, PowerState};
use crate::config::{Address, HeaderKind};
use crate::function::handle::Function;

impl Function {
    /// Returns the power state, as its register has it.
    #[must_use]
    pub fn power_state(&self) -> PowerState {
        PowerState::read(self.record())
    }

    /// Suspends the function: quiesces it, disables its decoding, and sets it to D3hot.
    ///
    /// # Errors
    /// [`SuspendError`] and the function, unchanged.
    pub fn suspend(self) -> Result<Suspended, (SuspendError, Self)> {
        let (record, address) = (self.record(), self.address());
        if record.header().kind != HeaderKind::Endpoint {
            return Err((SuspendError::NotAnEndpoint { address }, self));
        }
        if record.facts.power.is_none() {
            return Err((SuspendError::NotOffered { address }, self));
        }
        let saved = SavedConfig::take(record);
        PowerState::D3Hot.write(record);
        let since_ns = self.machine().clock.now_ns();
        Ok(Suspended { function: self, saved, since_ns })
    }
}

/// A function in D3hot. If this is dropped, the function stays there until it is taken and claimed.
///
/// ```
/// use switchboard::function::{PowerState, Suspended};
/// # use switchboard_testing::{FakeFunction, FakeMachine};
///
/// # let fake = FakeMachine::new([FakeFunction::new(0x1234, 0x11e8).capability(0x01, &[2, 0, 0, 0, 0, 0])]);
/// # let function = fake.machine().take_all().remove(0);
/// # let address = function.address();
/// let suspended: Suspended = function.suspend().map_err(|(error, _)| error).expect("the function has power states");
/// assert_eq!(suspended.address(), address);
/// let function = suspended.resume().wait().expect("the function wakes");
/// assert_eq!(function.power_state(), PowerState::D0);
/// ```
#[derive(Debug)]
#[must_use]
pub struct Suspended {
    function: Function,
    saved: SavedConfig,
    since_ns: u64,
}

impl Suspended {
    /// Returns the address of the function.
    #[must_use]
    pub fn address(&self) -> Address {
        self.function.address()
    }

    /// Returns the power state, as its register has it. The register may be read 10 ms after [`Function::suspend`] at the earliest.
    #[must_use]
    pub fn power_state(&self) -> PowerState {
        self.function.power_state()
    }

    /// Sets the function to D0. The configuration that it loses is restored.
    pub fn resume(self) -> Settling {
        let Self { function, saved, since_ns } = self;
        Settling::new(function, saved, SettlingStep::Wake, since_ns + D3_DELAY_NS)
    }
}

/// The reason why a function was not suspended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SuspendError {
    /// The function is a bridge, and the functions behind it would become unreachable.
    #[error("{address} is a bridge, not an endpoint")]
    NotAnEndpoint {
        /// The function.
        address: Address,
    },
    /// The function has no power management capability.
    #[error("{address} has no power states")]
    NotOffered {
        /// The function.
        address: Address,
    },
}
