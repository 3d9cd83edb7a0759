//! Commands to a slot: its power and its indicators (PCIe 4.0, 7.5.3.10).

/// The state of an indicator (a light) at the slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IndicatorState {
    /// Lit. The power indicator then means: do not remove the card.
    On,
    /// Blinking. The power indicator then means: the power is about to change.
    Blinking,
    /// Off. The power indicator then means: the card may be removed.
    Off,
}

impl IndicatorState {
    /// Returns the two bits of the indicator in Slot Control.
    pub(super) const fn bits(self) -> u16 {
        match self {
            Self::On => 1,
            Self::Blinking => 2,
            Self::Off => 3,
        }
    }
}

/// A command to a slot. `None` leaves a setting unchanged. Settings that the slot does not implement are ignored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SlotCommand {
    /// The power of the slot.
    pub power: Option<bool>,
    /// The indicator that shows whether the card may be removed.
    pub power_indicator: Option<IndicatorState>,
    /// The indicator that shows an operational problem.
    pub attention_indicator: Option<IndicatorState>,
}

/// The completion of a command: when the next one may follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "a slot takes one command at a time"]
pub enum CommandCompletion {
    /// At once: no setting changed, or the slot completes commands without a delay.
    Immediate,
    /// After the port reports [`SlotEvents::COMMAND_COMPLETED`](super::SlotEvents::COMMAND_COMPLETED), within one second.
    Signaled,
}
