//! What is done about what happens at a slot, as a table: no registers, no time of its own.
//!
//! The life of a slot is that of PCIe 4.0, 6.7. A press of the attention button is a wish, and a second press within the
//! grace period takes it back; meanwhile the power indicator blinks. A function that went without a wish is
//! withdrawn at once.

use switchboard::function::Indicator;

use super::SlotChange;

/// Where a slot is between empty and in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Nothing in it, or nothing that is powered.
    Empty,
    /// Somebody wants what is in it to be used; taken back until then.
    Arriving {
        /// In nanoseconds of the machine's clock.
        until: u64,
    },
    /// Power and link are coming up.
    Starting,
    /// In use.
    Occupied,
    /// Somebody wants to take out what is in it; taken back until then.
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
    Show(Indicator),
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
    use Indicator::{Blinking, Off, On};

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
            (Phase::Releasing, &[Show(Blinking), Tell(SlotChange::RemovalAsked)])
        }
        (Phase::Occupied, Cause::Button { .. }) => (Phase::Departing { until }, &[Show(Blinking)]),
        (Phase::Departing { .. }, Cause::Button { .. }) | (Phase::Releasing, Cause::Kept) => {
            (Phase::Occupied, &[Show(On)])
        }
        (Phase::Departing { .. }, Cause::Expired) => (Phase::Releasing, &[Tell(SlotChange::RemovalAsked)]),
        (Phase::Occupied | Phase::Departing { .. } | Phase::Releasing, Cause::Released) => (Phase::Empty, &[Stop]),

        (phase, _) => (phase, &[]),
    }
}
