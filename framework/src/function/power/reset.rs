//! Reset of one function, where it offers one.
//!
//! Nothing is reset unless somebody asks for it: a function that comes back from a driver is quiet, which is
//! enough for the next one, and drivers reset their devices by the devices' own registers.

use super::saved::Saved;
use super::settle::{Settling, Step};
use super::state::{D3_DELAY, PowerState};
use crate::config::{Address, ExpressCapability, HeaderKind};
use crate::function::handle::Function;
use crate::inventory::Record;

/// Advanced Features (PCI AF ECN, 2006): conventional functions' own function-level reset.
const AF: u8 = 0x13;
const AF_LENGTH: u16 = 6;
const AF_CAPABILITIES: u16 = 2;
/// In the upper byte, beside the length: transactions pending are told, and the reset is there.
const AF_OFFERED: u16 = 3 << 8;
const AF_CONTROL: u16 = 4;
const AF_INITIATE: u16 = 1;
/// In the upper byte, which is the status.
const AF_PENDING: u16 = 1 << 8;

/// How a function can be reset alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResetMethod {
    /// Function-level reset of PCI Express (PCIe 4.0, 6.6.2).
    FunctionLevel,
    /// The same of conventional PCI, by the Advanced Features capability.
    AdvancedFeatures,
    /// From D3hot to D0, for a function that loses its state on the way.
    Power,
}

impl ResetMethod {
    /// What it is called in messages.
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
pub(in crate::function) enum Lever {
    Express(ExpressCapability),
    AdvancedFeatures { offset: u16 },
}

impl Lever {
    fn of(record: &Record) -> Option<Self> {
        if let Some(express) = record.facts.express.filter(|express| express.has_flr) {
            return Some(Self::Express(express));
        }
        let offset = record.facts.capabilities.find(AF)?;
        let is_whole = record.space.reaches(offset, AF_LENGTH);
        let is_offered = is_whole && record.space.read_u16(offset + AF_CAPABILITIES) & AF_OFFERED == AF_OFFERED;
        is_offered.then_some(Self::AdvancedFeatures { offset })
    }

    /// Whether the function still waits for answers, which would come for another life of it.
    pub(in crate::function) fn is_pending(self, record: &Record) -> bool {
        match self {
            Self::Express(express) => record.space.read_u16(express.status()) & ExpressCapability::PENDING != 0,
            Self::AdvancedFeatures { offset } => record.space.read_u16(offset + AF_CONTROL) & AF_PENDING != 0,
        }
    }

    pub(in crate::function) fn pull(self, record: &Record) {
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
    /// How it can be reset alone; the first of [`ResetMethod`] that it offers.
    #[must_use]
    pub fn reset_method(&self) -> Option<ResetMethod> {
        let record = self.record();
        if record.header().kind != HeaderKind::Endpoint {
            return None;
        }
        match Lever::of(record) {
            Some(Lever::Express(_)) => Some(ResetMethod::FunctionLevel),
            Some(Lever::AdvancedFeatures { .. }) => Some(ResetMethod::AdvancedFeatures),
            None => record.facts.power.is_some_and(|power| !power.keeps_state).then_some(ResetMethod::Power),
        }
    }

    /// Resets it. It takes a tenth of a second; what configuration it loses is put back.
    ///
    /// # Errors
    /// [`ResetError`] and the function, which is as it was.
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
        let saved = Saved::take(record);
        let lever = Lever::of(record);
        if lever.is_none() {
            PowerState::D3Hot.write(record);
        }
        let now = self.machine().clock.now_ns();
        let (step, not_before) = match lever {
            Some(lever) => (Step::Drain { lever, since: now }, now),
            None => (Step::Wake, now + D3_DELAY),
        };
        Ok(Settling::new(self, saved, step, not_before))
    }
}

/// Why a function was not reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ResetError {
    /// What is behind a bridge would go with it.
    #[error("{address} is a bridge, not an endpoint")]
    NotAnEndpoint {
        /// The function.
        address: Address,
    },
    /// It offers none of the ways.
    #[error("{address} offers no reset: no function-level one, and {}", no_power(*has_power))]
    NotOffered {
        /// The function.
        address: Address,
        /// Whether it has power states, through which it keeps its own.
        has_power: bool,
    },
}

fn no_power(has_power: bool) -> &'static str {
    if has_power { "sleep does not clear its state" } else { "no power states" }
}
