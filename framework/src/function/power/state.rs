//! The power state of a function, in the register that holds it (PCI Power Management 1.2, 3.2.4).

use crate::config::PowerCapability;
use crate::inventory::Record;

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
