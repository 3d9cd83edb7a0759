//! The state machine of a slot (PCIe 4.0, 6.7), as a table without registers and without a clock.
//!
//! A press of the attention button is a request, and a second press within the grace period cancels it; meanwhile the power
//! indicator blinks. Functions that are removed without a request are marked as removed at once.

use switchboard::function::IndicatorState;

use super::SlotChange;

/// The state of a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SlotState {
    /// Empty, or without power.
    Empty,
    /// Use of the card was requested, and can be cancelled until the deadline.
    Arriving {
        /// The deadline, in nanoseconds of the clock.
        deadline_ns: u64,
    },
    /// The power was turned on, and the link is coming up.
    Starting,
    /// In use.
    Occupied,
    /// Removal of the card was requested, and can be cancelled until the deadline.
    Departing {
        /// The deadline, in nanoseconds of the clock.
        deadline_ns: u64,
    },
    /// The request was passed to the users, who have not responded yet.
    Releasing,
}

/// An input of the state machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SlotInput {
    /// Presence or link have changed.
    Changed {
        /// A card is in the slot.
        is_occupied: bool,
        /// The functions that were in use are still there and respond.
        is_intact: bool,
    },
    /// The attention button was pressed.
    Button {
        /// A card is in the slot.
        is_occupied: bool,
    },
    /// The power controller reports a fault.
    Fault,
    /// The grace period is over.
    Expired,
    /// The start has ended: whether the card responds.
    Started(bool),
    /// The users have dropped all drivers.
    Released,
    /// The users refuse the removal.
    Kept,
}

/// An action of the state machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SlotAction {
    /// Sets the power indicator.
    SetPowerIndicator(IndicatorState),
    /// Turns the power on and waits for the card. The result is the next input.
    Start,
    /// Turns power and power indicator off, and marks the functions behind the port as removed.
    Stop,
    /// Turns the attention indicator on.
    SetAttention,
    /// Marks all functions behind the port as removed.
    MarkRemoved,
    /// Reports a change to the users.
    Report(SlotChange),
}

/// Returns the next state, and the actions for it.
pub(super) fn transition(
    state: SlotState,
    input: SlotInput,
    now_ns: u64,
    grace_ns: u64,
) -> (SlotState, &'static [SlotAction]) {
    use IndicatorState::{Blinking, Off, On};
    use SlotAction::{MarkRemoved, Report, SetAttention, SetPowerIndicator, Start, Stop};

    let deadline_ns = now_ns.saturating_add(grace_ns);
    match (state, input) {
        (SlotState::Empty | SlotState::Arriving { .. }, SlotInput::Changed { is_occupied: true, .. })
        | (SlotState::Arriving { .. }, SlotInput::Expired) => {
            (SlotState::Starting, &[SetPowerIndicator(Blinking), Start])
        }
        (SlotState::Arriving { .. }, SlotInput::Changed { .. } | SlotInput::Button { .. } | SlotInput::Fault) => {
            (SlotState::Empty, &[SetPowerIndicator(Off)])
        }
        (SlotState::Empty, SlotInput::Button { is_occupied: true }) => {
            (SlotState::Arriving { deadline_ns }, &[SetPowerIndicator(Blinking)])
        }

        (SlotState::Starting, SlotInput::Started(true)) => {
            (SlotState::Occupied, &[SetPowerIndicator(On), Report(SlotChange::Added)])
        }
        (SlotState::Starting, SlotInput::Started(false) | SlotInput::Fault) => {
            (SlotState::Empty, &[Stop, SetAttention])
        }

        (
            SlotState::Occupied | SlotState::Departing { .. } | SlotState::Releasing,
            SlotInput::Changed { is_intact: false, is_occupied },
        ) => match is_occupied {
            // Another card, or the same one without its state.
            true => (
                SlotState::Starting,
                &[MarkRemoved, Report(SlotChange::Gone), Stop, SetPowerIndicator(Blinking), Start],
            ),
            false => (SlotState::Empty, &[MarkRemoved, Report(SlotChange::Gone), Stop]),
        },
        (SlotState::Occupied | SlotState::Departing { .. } | SlotState::Releasing, SlotInput::Fault) => {
            (SlotState::Empty, &[MarkRemoved, Report(SlotChange::Gone), Stop, SetAttention])
        }

        (SlotState::Occupied, SlotInput::Button { .. }) if grace_ns == 0 => {
            (SlotState::Releasing, &[SetPowerIndicator(Blinking), Report(SlotChange::RemovalRequested)])
        }
        (SlotState::Occupied, SlotInput::Button { .. }) => {
            (SlotState::Departing { deadline_ns }, &[SetPowerIndicator(Blinking)])
        }
        (SlotState::Departing { .. }, SlotInput::Button { .. }) | (SlotState::Releasing, SlotInput::Kept) => {
            (SlotState::Occupied, &[SetPowerIndicator(On)])
        }
        (SlotState::Departing { .. }, SlotInput::Expired) => {
            (SlotState::Releasing, &[Report(SlotChange::RemovalRequested)])
        }
        (SlotState::Occupied | SlotState::Departing { .. } | SlotState::Releasing, SlotInput::Released) => {
            (SlotState::Empty, &[Stop])
        }

        (state, _) => (state, &[]),
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    fn inputs() -> impl Strategy<Value = SlotInput> {
        prop_oneof![
            (any::<bool>(), any::<bool>()).prop_map(|(is_occupied, is_intact)| SlotInput::Changed {
                is_occupied,
                is_intact: is_intact && is_occupied
            }),
            any::<bool>().prop_map(|is_occupied| SlotInput::Button { is_occupied }),
            Just(SlotInput::Fault),
            Just(SlotInput::Expired),
            any::<bool>().prop_map(SlotInput::Started),
            Just(SlotInput::Released),
            Just(SlotInput::Kept),
        ]
    }

    proptest! {
        /// For any inputs in any order, each addition and removal is reported to users exactly once.
        #[test]
        fn each_change_is_reported_once(inputs in prop::collection::vec(inputs(), 0..60), grace_ns in 0_u64..2) {
            let (mut state, mut is_in_use, mut is_marked) = (SlotState::Empty, false, true);
            for input in inputs {
                let (next, actions) = transition(state, input, 7, grace_ns);
                for (index, action) in actions.iter().enumerate() {
                    match action {
                        SlotAction::Report(SlotChange::Added) => {
                            prop_assert!(!is_in_use);
                            (is_in_use, is_marked) = (true, false);
                        }
                        SlotAction::Report(SlotChange::RemovalRequested) => prop_assert!(is_in_use),
                        SlotAction::Report(SlotChange::Gone) => {
                            prop_assert!(is_in_use && is_marked, "drivers get `Gone` before users do");
                            is_in_use = false;
                        }
                        SlotAction::MarkRemoved => is_marked = true,
                        SlotAction::Stop => {
                            prop_assert!(!is_in_use || input == SlotInput::Released);
                            is_in_use = false;
                        }
                        SlotAction::Start => prop_assert!(!is_in_use && index + 1 == actions.len() && next == SlotState::Starting),
                        SlotAction::SetPowerIndicator(_) | SlotAction::SetAttention => {}
                    }
                }
                let is_used = matches!(next, SlotState::Occupied | SlotState::Departing { .. } | SlotState::Releasing);
                prop_assert_eq!(is_used, is_in_use);
                state = next;
            }
        }

        /// Power is turned on only for a card that was added, or that was requested by the button.
        #[test]
        fn an_empty_slot_stays_without_power(inputs in prop::collection::vec(inputs(), 0..60)) {
            let other_inputs = inputs.into_iter().filter(|input| {
                !matches!(input, SlotInput::Changed { is_occupied: true, .. } | SlotInput::Button { is_occupied: true })
            });
            let actions: Vec<_> = other_inputs.flat_map(|input| transition(SlotState::Empty, input, 0, 5).1).collect();
            prop_assert!(actions.is_empty());
        }
    }
}
