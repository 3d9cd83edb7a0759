//! Power states: a function sleeps only while nobody has its registers (PCI Power Management 1.2, chapter 5).
//!
//! A function that sleeps is [`Suspended`], a type with nothing to touch. It comes back as a [`Settling`] one, and
//! that as a [`Function`], which is awake. Claiming wakes what firmware left asleep.

mod reset;
mod saved;
mod settle;
mod silence;

pub use reset::{ResetError, ResetMethod};
pub use saved::BarLost;
pub use settle::{SettleError, Settled, Settling};

pub(super) use saved::restore_bars;
pub(super) use silence::Buses;

use crate::config::{Address, HeaderKind, PowerCapability};
use crate::function::claim::Function;
use crate::function::inventory::Record;
use saved::Saved;
use settle::Step;

/// How long a function may not be touched after it was told to enter or to leave D3hot (5.6.1), in nanoseconds.
pub(super) const D3_DELAY: u64 = 10_000_000;

/// How awake a function is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PowerState {
    /// Awake. So is every function without the capability.
    D0,
    /// A light sleep, optional.
    D1,
    /// A deeper one, optional.
    D2,
    /// Off as far as its configuration space allows.
    D3Hot,
}

impl PowerState {
    const MASK: u16 = 3;
    /// A write of ones would clear the event that is reported there.
    const EVENT: u16 = 1 << 15;

    pub(super) fn read(record: &Record) -> Self {
        let control = record.facts.power.map_or(0, |power| record.space.read_u16(register(power)));
        match control & Self::MASK {
            0 => Self::D0,
            1 => Self::D1,
            2 => Self::D2,
            _ => Self::D3Hot,
        }
    }

    /// Tells the function to enter this state, which takes [`D3_DELAY`] at most.
    pub(super) fn write(self, record: &Record) {
        if let Some(power) = record.facts.power {
            let control = record.space.read_u16(register(power)) & !(Self::MASK | Self::EVENT);
            record.space.write_u16(register(power), control | self as u16);
        }
    }
}

const fn register(power: PowerCapability) -> u16 {
    power.offset + PowerCapability::CONTROL
}

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
        let since = self.machine().clock.now();
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
