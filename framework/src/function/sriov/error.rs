//! The errors of enabling and disabling virtual functions.

use crate::assign::Unassigned;
use crate::config::Address;
use crate::ownership::Gone;

/// The reason why virtual functions were not enabled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EnableError {
    /// The number is 0, or more than the function has.
    #[error("{wanted} virtual functions of at most {total}")]
    Number {
        /// The number that was wanted.
        wanted: u16,
        /// The most that the function can have.
        total: u16,
    },
    /// A BAR of the virtual functions has no address.
    #[error("BAR {index} of the virtual functions: {reason}")]
    Unassigned {
        /// The index of the BAR.
        index: u8,
        /// The reason.
        reason: Unassigned,
    },
    /// A BAR of the virtual functions does not hold the address that was written to it.
    #[error("BAR {index} of the virtual functions does not take {address:#x}")]
    Refused {
        /// The index of the BAR.
        index: u8,
        /// The address that was written.
        address: u64,
    },
    /// A virtual function would be on another bus, or at a device number that a link does not have.
    #[error("virtual function {index} is at distance {distance:#x} of {physical}, which cannot be reached without ARI")]
    Unreachable {
        /// The physical function.
        physical: Address,
        /// The number of the virtual function, counted from 0.
        index: u16,
        /// The distance of the routing IDs.
        distance: u32,
    },
    /// Another function has the address of a virtual function.
    #[error("{address} is the address of another function")]
    Occupied {
        /// The address.
        address: Address,
    },
    /// A virtual function does not respond 100 ms after it was enabled.
    #[error("the virtual function {address} does not respond")]
    Silent {
        /// Its address.
        address: Address,
    },
    /// The physical function was removed.
    #[error(transparent)]
    Gone(#[from] Gone),
}

/// A virtual function is in use, so that they cannot be disabled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the virtual function {address} is in use (driver: {driver})")]
#[non_exhaustive]
pub struct InUse {
    /// The virtual function.
    pub address: Address,
    /// The name of its driver, or `none`.
    pub driver: &'static str,
}
