//! What is done about what happens at a slot, as a table: no registers, no time of its own.
//!
//! The life of a slot is that of PCIe 4.0, 6.7. A press of the attention button is a request, and a second press within the
//! grace period takes it back; meanwhile the power indicator blinks. A function that went without a request is
//! withdrawn at once.

use switchboard::function::IndicatorState;

use super::SlotChange;

/// Where a slot is between empty and in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Nothing in it, or nothing that is powered.
    Empty,
    /// Use of what is in it was requested; to be taken back until then.
    Arriving {
        /// In nanoseconds of the machine's clock.
        until: u64,
    },
    /// Power and link are coming up.
    Starting,
    /// In use.
    Occupied,
    /// Removal of what is in it was requested; to be taken back until then.
    Departing {
        /// In nanoseconds of the machine's clock.
        until: u64,
    },
    /// Its users were asked to let go, and have not answered yet.
    Releasing,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// Something came or went; and what there is now.
    Changed {
        /// Something is in the slot.
        is_occupied: bool,
        /// What was in use still is there, and can be reached.
        is_intact: bool,
    },
    /// The attention button.
    Button {
        /// Something is in the slot.
        is_occupied: bool,
    },
    /// A fault of the power supply.
    Fault,
    /// The grace period is over.
    Expired,
    /// What was started answers, or does not.
    Started(bool),
    /// The users have let go of it.
    Released,
    /// The users keep it.
    Kept,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    /// Set the power indicator.
    Show(IndicatorState),
    /// Power it, wait for it, and say how it went.
    Start,
    /// Take its power, show that it may be pulled, and forget what was found behind the port.
    Stop,
    /// Call for attention.
    Alarm,
    /// Say that everything behind the port is gone.
    Withdraw,
    /// Tell the users.
    Tell(SlotChange),
}

/// The table. `now` and `grace` are in nanoseconds.
pub(super) fn decide(phase: Phase, cause: Cause, now: u64, grace: u64) -> (Phase, &'static [Act]) {
    use Act::{Alarm, Show, Start, Stop, Tell, Withdraw};
    use IndicatorState::{Blinking, Off, On};

    let until = now.saturating_add(grace);
    match (phase, cause) {
        (Phase::Empty | Phase::Arriving { .. }, Cause::Changed { is_occupied: true, .. })
        | (Phase::Arriving { .. }, Cause::Expired) => (Phase::Starting, &[Show(Blinking), Start]),
        (Phase::Arriving { .. }, Cause::Changed { .. } | Cause::Button { .. } | Cause::Fault) => {
            (Phase::Empty, &[Show(Off)])
        }
        (Phase::Empty, Cause::Button { is_occupied: true }) => (Phase::Arriving { until }, &[Show(Blinking)]),

        (Phase::Starting, Cause::Started(true)) => (Phase::Occupied, &[Show(On), Tell(SlotChange::Added)]),
        (Phase::Starting, Cause::Started(false) | Cause::Fault) => (Phase::Empty, &[Stop, Alarm]),

        (
            Phase::Occupied | Phase::Departing { .. } | Phase::Releasing,
            Cause::Changed { is_intact: false, is_occupied },
        ) => match is_occupied {
            // Another was put in its place, or it lost its state with the link.
            true => (Phase::Starting, &[Withdraw, Tell(SlotChange::Gone), Stop, Show(Blinking), Start]),
            false => (Phase::Empty, &[Withdraw, Tell(SlotChange::Gone), Stop]),
        },
        (Phase::Occupied | Phase::Departing { .. } | Phase::Releasing, Cause::Fault) => {
            (Phase::Empty, &[Withdraw, Tell(SlotChange::Gone), Stop, Alarm])
        }

        (Phase::Occupied, Cause::Button { .. }) if grace == 0 => {
            (Phase::Releasing, &[Show(Blinking), Tell(SlotChange::RemovalRequested)])
        }
        (Phase::Occupied, Cause::Button { .. }) => (Phase::Departing { until }, &[Show(Blinking)]),
        (Phase::Departing { .. }, Cause::Button { .. }) | (Phase::Releasing, Cause::Kept) => {
            (Phase::Occupied, &[Show(On)])
        }
        (Phase::Departing { .. }, Cause::Expired) => (Phase::Releasing, &[Tell(SlotChange::RemovalRequested)]),
        (Phase::Occupied | Phase::Departing { .. } | Phase::Releasing, Cause::Released) => (Phase::Empty, &[Stop]),

        (phase, _) => (phase, &[]),
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    fn causes() -> impl Strategy<Value = Cause> {
        prop_oneof![
            (any::<bool>(), any::<bool>()).prop_map(|(is_occupied, is_intact)| Cause::Changed {
                is_occupied,
                is_intact: is_intact && is_occupied
            }),
            any::<bool>().prop_map(|is_occupied| Cause::Button { is_occupied }),
            Just(Cause::Fault),
            Just(Cause::Expired),
            any::<bool>().prop_map(Cause::Started),
            Just(Cause::Released),
            Just(Cause::Kept),
        ]
    }

    proptest! {
        /// Whatever happens in whatever order: users get each card once, and it is never taken from under them
        /// without a word.
        #[test]
        fn users_are_told_of_everything_once(causes in prop::collection::vec(causes(), 0..60), grace in 0_u64..2) {
            let (mut phase, mut is_in_use, mut is_withdrawn) = (Phase::Empty, false, true);
            for cause in causes {
                let (next, acts) = decide(phase, cause, 7, grace);
                for (index, act) in acts.iter().enumerate() {
                    match act {
                        Act::Tell(SlotChange::Added) => {
                            prop_assert!(!is_in_use);
                            (is_in_use, is_withdrawn) = (true, false);
                        }
                        Act::Tell(SlotChange::RemovalRequested) => prop_assert!(is_in_use),
                        Act::Tell(SlotChange::Gone) => {
                            prop_assert!(is_in_use && is_withdrawn, "drivers learn of it before users");
                            is_in_use = false;
                        }
                        Act::Withdraw => is_withdrawn = true,
                        Act::Stop => {
                            prop_assert!(!is_in_use || cause == Cause::Released);
                            is_in_use = false;
                        }
                        Act::Start => prop_assert!(!is_in_use && index + 1 == acts.len() && next == Phase::Starting),
                        Act::Show(_) | Act::Alarm => {}
                    }
                }
                let is_used = matches!(next, Phase::Occupied | Phase::Departing { .. } | Phase::Releasing);
                prop_assert_eq!(is_used, is_in_use);
                phase = next;
            }
        }

        /// Nothing is powered without a request: from a dark slot, only what comes or is wanted starts it.
        #[test]
        fn a_slot_that_is_dark_stays_dark(causes in prop::collection::vec(causes(), 0..60)) {
            let calm = causes.into_iter().filter(|cause| {
                !matches!(cause, Cause::Changed { is_occupied: true, .. } | Cause::Button { is_occupied: true })
            });
            let acts: Vec<_> = calm.flat_map(|cause| decide(Phase::Empty, cause, 0, 5).1).collect();
            prop_assert!(acts.is_empty());
        }
    }
}
