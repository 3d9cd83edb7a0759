//! The power state of a function, in its Power Management Control/Status register (PCI Power Management 1.2, 3.2.4).

use crate::config::PowerCapability;
use crate::inventory::Record;

/// The time after a transition to or from D3hot in which a function must not be accessed (5.6.1), in nanoseconds.
pub(super) const D3_DELAY_NS: u64 = 10_000_000;

/// The power state of a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PowerState {
    /// Fully on. Every function without the power management capability is in D0.
    D0,
    /// A light low-power state, optional.
    D1,
    /// A deeper low-power state, optional.
    D2,
    /// Off, except for the configuration space.
    D3Hot,
}

impl PowerState {
    const MASK: u16 = 3;
    /// PME_Status, which is cleared by writing one.
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

    /// Sets the state, which the function enters within [`D3_DELAY_NS`].
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
