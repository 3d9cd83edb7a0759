//! Reset of a single function.
//!
//! The framework resets no function by itself: a function that its driver released is quiesced, which is enough for the next
//! driver, and drivers reset their devices through registers of the device.

use super::saved::SavedConfig;
use super::settle::{Settling, SettlingStep};
use super::state::{D3_DELAY_NS, PowerState};
use crate::config::{Address, ExpressCapability, HeaderKind};
use crate::function::handle::Function;
use crate::inventory::Record;

/// Advanced Features (PCI AF ECN, 2006): conventional functions' own function-level reset.
const AF: u8 = 0x13;
const AF_LENGTH: u16 = 6;
const AF_CAPABILITIES: u16 = 2;
/// In the upper byte, beside the length: Transactions Pending and Function Level Reset are implemented.
const AF_OFFERED: u16 = 3 << 8;
const AF_CONTROL: u16 = 4;
const AF_INITIATE: u16 = 1;
/// In the upper byte, which is the status: Transactions Pending.
const AF_PENDING: u16 = 1 << 8;

/// The mechanism by which a single function is reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResetMethod {
    /// Function-level reset of PCI Express (PCIe 4.0, 6.6.2).
    FunctionLevel,
    /// Function-level reset of conventional PCI, by the Advanced Features capability.
    AdvancedFeatures,
    /// The transition from D3hot to D0, for a function that loses its state in it (No_Soft_Reset clear).
    Power,
}

impl ResetMethod {
    /// Returns the name for messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::FunctionLevel => "function-level reset",
            Self::AdvancedFeatures => "function-level reset of conventional PCI",
            Self::Power => "sleep",
        }
    }
}

/// The registers of a reset.
#[derive(Debug, Clone, Copy)]
pub(in crate::function) enum ResetControl {
    Express(ExpressCapability),
    AdvancedFeatures { offset: u16 },
}

impl ResetControl {
    fn of(record: &Record) -> Option<Self> {
        if let Some(express) = record.facts.express.filter(|express| express.has_flr) {
            return Some(Self::Express(express));
        }
        let offset = record.facts.capabilities.find(AF)?;
        let is_whole = record.space.reaches(offset, AF_LENGTH);
        let is_offered = is_whole && record.space.read_u16(offset + AF_CAPABILITIES) & AF_OFFERED == AF_OFFERED;
        is_offered.then_some(Self::AdvancedFeatures { offset })
    }

    /// Returns whether requests of the function are still pending. Their completions would arrive after the reset.
    pub(in crate::function) fn is_pending(self, record: &Record) -> bool {
        match self {
            Self::Express(express) => record.space.read_u16(express.status()) & ExpressCapability::PENDING != 0,
            Self::AdvancedFeatures { offset } => record.space.read_u16(offset + AF_CONTROL) & AF_PENDING != 0,
        }
    }

    pub(in crate::function) fn initiate(self, record: &Record) {
        match self {
            Self::Express(express) => {
                let control = record.space.read_u16(express.control());
                record.space.write_u16(express.control(), control | ExpressCapability::RESET);
            }
            Self::AdvancedFeatures { offset } => record.space.write_u16(offset + AF_CONTROL, AF_INITIATE),
        }
    }
}

impl Function {
    /// Returns the first [`ResetMethod`] that the function offers.
    #[must_use]
    pub fn reset_method(&self) -> Option<ResetMethod> {
        let record = self.record();
        if record.header().kind != HeaderKind::Endpoint {
            return None;
        }
        match ResetControl::of(record) {
            Some(ResetControl::Express(_)) => Some(ResetMethod::FunctionLevel),
            Some(ResetControl::AdvancedFeatures { .. }) => Some(ResetMethod::AdvancedFeatures),
            None => record.facts.power.is_some_and(|power| !power.keeps_state).then_some(ResetMethod::Power),
        }
    }

    /// Resets the function, which takes about 100 ms. The configuration that it loses is restored.
    ///
    /// ```
    /// use switchboard::function::{ResetMethod, Settled};
    /// # use switchboard_testing::{FakeFunction, FakeMachine};
    ///
    /// # let fake = FakeMachine::new([FakeFunction::new(0x1234, 0x11e8).capability(0x01, &[2, 0, 0, 0, 0, 0])]);
    /// # let function = fake.machine().take_all().remove(0);
    /// # let mut wait = |nanoseconds| fake.advance_ns(nanoseconds);
    /// assert_eq!(function.reset_method(), Some(ResetMethod::Power));
    /// let mut settling = function.reset().map_err(|(error, _)| error).expect("the function offers a reset");
    /// let function = loop {
    ///     match settling.poll().expect("the function becomes ready") {
    ///         Settled::Ready(function) => break function,
    ///         Settled::NotYet(next) => settling = next,
    ///     }
    ///     wait(settling.remaining_ns());
    /// };
    /// let resources = function.claim()?;
    /// # Ok::<(), switchboard::driver::ProbeError>(())
    /// ```
    ///
    /// # Errors
    /// [`ResetError`] and the function, unchanged.
    pub fn reset(self) -> Result<Settling, (ResetError, Self)> {
        let record = self.record();
        let address = self.address();
        if record.header().kind != HeaderKind::Endpoint {
            return Err((ResetError::NotAnEndpoint { address }, self));
        }
        if self.reset_method().is_none() {
            let has_power = record.facts.power.is_some();
            return Err((ResetError::NotOffered { address, has_power }, self));
        }
        let saved = SavedConfig::take(record);
        let control = ResetControl::of(record);
        if control.is_none() {
            PowerState::D3Hot.write(record);
        }
        let now = self.machine().clock.now_ns();
        let (step, not_before_ns) = match control {
            Some(control) => (SettlingStep::Drain { control, since_ns: now }, now),
            None => (SettlingStep::Wake, now + D3_DELAY_NS),
        };
        Ok(Settling::new(self, saved, step, not_before_ns))
    }
}

/// The reason why a function was not reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ResetError {
    /// The function is a bridge, and the functions behind it would be reset with it.
    #[error("{address} is a bridge, not an endpoint")]
    NotAnEndpoint {
        /// The function.
        address: Address,
    },
    /// The function offers no [`ResetMethod`].
    #[error("{address} offers no reset: no function-level one, and {}", no_power(*has_power))]
    NotOffered {
        /// The function.
        address: Address,
        /// Whether it has power states. It then keeps its state in the transition from D3hot to D0.
        has_power: bool,
    },
}

fn no_power(has_power: bool) -> &'static str {
    if has_power { "sleep does not clear its state" } else { "no power states" }
}
