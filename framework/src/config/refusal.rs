//! Refusals: functions that were found and are not offered to any driver, with the reason.
//!
//! A [`Defect`](super::Defect) costs a function one feature. A refusal is for a function none of whose contents can be trusted, or
//! that would disturb others.

use super::{Address, BusNumbers, Class};

/// A function that was found and is left out.
///
/// ```
/// use switchboard::config::{Address, RefusalReason};
/// use switchboard_testing::{FakeFunction, FakeMachine};
///
/// // Header type 3 is reserved.
/// let fake = FakeMachine::new([FakeFunction::new(0x1234, 0x11e8).at("00:03.0").byte(0x0e, 3)]);
/// assert!(fake.machine().functions().is_empty());
/// let address = Address::new(0, 0, 3, 0);
/// let [refusal] = fake.machine().refusals()[..] else { panic!("one function") };
/// assert_eq!((refusal.address, refusal.reason), (address, RefusalReason::Layout { layout: 3 }));
/// assert_eq!(refusal.to_string(), "0000:00:03.0: left out: header type 0x03 is reserved");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{address}: left out: {reason}")]
#[non_exhaustive]
pub struct Refusal {
    /// The function.
    pub address: Address,
    /// Why it is left out.
    pub reason: RefusalReason,
}

/// Why a function is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RefusalReason {
    /// It was removed during the scan.
    #[error("it was removed during the scan")]
    Gone,
    /// A register that must be constant read two different values.
    #[error("its {what} read {first:#x} at first and {second:#x} later")]
    Changed {
        /// The register.
        what: &'static str,
        /// The value at first.
        first: u32,
        /// The value later.
        second: u32,
    },
    /// It returned Configuration Request Retry Status for longer than a second.
    #[error("it is not ready a second after the first access")]
    NotReady,
    /// The header type is reserved, so that nothing behind it can be decoded.
    #[error("header type {layout:#04x} is reserved")]
    Layout {
        /// The header type, without the multi-function bit.
        layout: u8,
    },
    /// The header of a bridge with the class code of something else.
    #[error("the header of a bridge, for a function of class {class}")]
    BridgeOfClass {
        /// The class code.
        class: Class,
    },
    /// A bridge without a secondary bus number, and there was none to assign.
    #[error("a bridge without a bus behind it: it has no bus numbers")]
    Unnumbered,
    /// A bridge whose bus numbers lead back, or out of the range of the bridge above it.
    #[error("a bridge from bus {from:#04x} to buses {:#04x} to {:#04x}, where {last:#04x} is the last", .buses.secondary, .buses.subordinate)]
    Buses {
        /// The bus numbers.
        buses: BusNumbers,
        /// The bus that the bridge is on; those behind it have higher numbers.
        from: u8,
        /// The highest bus that can be behind it.
        last: u8,
    },
    /// A bridge to buses that are behind another bridge already.
    #[error("a bridge to buses {:#04x} to {:#04x}, some of which are behind another bridge", .buses.secondary, .buses.subordinate)]
    BusTaken {
        /// The bus numbers.
        buses: BusNumbers,
    },
    /// Decoding could not be disabled to size the BARs.
    #[error("Command takes no writes: {wanted:#06x} wanted, {found:#06x} there")]
    Command {
        /// The value that was written.
        wanted: u16,
        /// The value that was read back.
        found: u16,
    },
    /// A BAR reads all ones, as if the function were gone.
    #[error("BAR {index} reads all ones")]
    BarOnes {
        /// The index of its first register.
        index: u8,
    },
}

impl RefusalReason {
    /// Returns whether other bus numbers may make the bridge usable.
    pub(crate) fn is_for_bus_numbers(self) -> bool {
        matches!(self, Self::Unnumbered | Self::Buses { .. } | Self::BusTaken { .. })
    }
}

/// Checks that a function still has the same Vendor ID and Device ID.
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
