//! Functions that are there and are left out: nothing of them is offered to a driver, and why.
//!
//! What costs a function a feature is a [`Defect`](super::Defect), and the function stays. What is here leaves
//! nothing to believe, or would do harm.

use super::{Address, BusNumbers, Class};

/// A function that was found and left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{address}: left out: {reason}")]
pub struct Refusal {
    /// Where it is.
    pub address: Address,
    /// Why.
    pub reason: RefusalReason,
}

/// Why a function is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RefusalReason {
    /// It went away while it was looked at.
    #[error("it went away while it was looked at")]
    Gone,
    /// It says something else each time that it is asked.
    #[error("its {what} read {first:#x} at first and {second:#x} later")]
    Changed {
        /// What changed.
        what: &'static str,
        /// What it was.
        first: u32,
        /// What it is.
        second: u32,
    },
    /// It asked for more time after a reset until there was no more.
    #[error("it is not ready a second after it was asked first")]
    NotReady,
    /// Its header is laid out in a way that nobody knows: nothing behind the type can be believed.
    #[error("header type {layout:#04x} is reserved")]
    Layout {
        /// The type.
        layout: u8,
    },
    /// A bridge to CardBus, which is not driven here.
    #[error("a CardBus bridge, whose bus is not supported")]
    CardBus,
    /// The header of a bridge, by a function that says it is something else.
    #[error("the header of a bridge, for a function of class {class}")]
    BridgeOfClass {
        /// What it says it is.
        class: Class,
    },
    /// A bridge to which nobody gave a bus.
    #[error("a bridge without a bus behind it: nobody numbered it")]
    Unnumbered,
    /// A bridge whose buses would lead back, or out of those of the bridge above it.
    #[error("a bridge from bus {from:#04x} to buses {:#04x} to {:#04x}, where {last:#04x} is the last", .buses.secondary, .buses.subordinate)]
    Buses {
        /// What it says.
        buses: BusNumbers,
        /// The bus that it is on; those behind it have higher numbers.
        from: u8,
        /// The highest bus that can be behind it.
        last: u8,
    },
    /// A bridge to buses that are behind another one already.
    #[error("a bridge to buses {:#04x} to {:#04x}, some of which are behind another bridge", .buses.secondary, .buses.subordinate)]
    BusTaken {
        /// What it says.
        buses: BusNumbers,
    },
    /// It goes on decoding what it should not while its BARs are sized.
    #[error("Command takes no writes: {wanted:#06x} wanted, {found:#06x} there")]
    Command {
        /// What was written.
        wanted: u16,
        /// What was read back.
        found: u16,
    },
    /// A BAR that reads all ones, as what is not there does.
    #[error("BAR {index} reads all ones")]
    BarOnes {
        /// Its first register.
        index: u8,
    },
}

impl RefusalReason {
    /// Whether it is a bridge that other bus numbers may make a good one.
    pub(crate) fn is_for_bus_numbers(self) -> bool {
        matches!(self, Self::Unnumbered | Self::Buses { .. } | Self::BusTaken { .. })
    }
}

/// Checks that a function still has the vendor and device IDs that it had.
///
/// # Errors
/// [`RefusalReason::Gone`], [`RefusalReason::Changed`].
pub(crate) fn same_ids(first: u32, second: u32) -> Result<(), RefusalReason> {
    match second {
        u32::MAX => Err(RefusalReason::Gone),
        _ if second == first => Ok(()),
        _ => Err(RefusalReason::Changed { what: "vendor and device", first, second }),
    }
}
