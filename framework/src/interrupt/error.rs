//! The errors of grants and of steering.

use crate::config::Defect;
use crate::mmio::MapError;
use crate::ownership::Gone;
use crate::platform::{Mode, Offers, PermittedModes, RouteError};
use crate::vector::{Cpu, VectorsExhausted};

/// The reason why no interrupt was granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GrantError {
    /// No requested mode is both offered by the function and permitted by the machine.
    #[error("no interrupt mode fits: the function offers {offers}; the machine permits {permitted}")]
    NoMode {
        /// The modes that the function offers.
        offers: Offers,
        /// The modes that the machine permits.
        permitted: PermittedModes,
    },
    /// The function offers the mode with invalid parameters.
    #[error(transparent)]
    Defect(#[from] Defect),
    /// There are no vectors left.
    #[error(transparent)]
    Vectors(#[from] VectorsExhausted),
    /// There are vectors, but fewer than the driver's minimum.
    #[error("{wanted} vectors are the driver's minimum, {granted} can be granted")]
    TooFew {
        /// The minimum.
        wanted: usize,
        /// The number that can be granted.
        granted: usize,
    },
    /// The function has no free entry for another message.
    #[error("all {entries} entries are in use")]
    NoEntry {
        /// The number of entries of the function.
        entries: usize,
    },
    /// The MSI-X table or its pending bits could not be mapped.
    #[error("the MSI-X table cannot be reached: {0}")]
    Table(#[from] MapError),
    /// The function was removed.
    #[error(transparent)]
    Gone(#[from] Gone),
    /// The function is present, but its capability ignores writes.
    #[error("the {mode} capability ignores writes")]
    IgnoresWrites {
        /// The mode of the capability.
        mode: Mode,
    },
    /// The line has no route to an interrupt controller.
    #[error(transparent)]
    Route(#[from] RouteError),
}

impl GrantError {
    /// Returns the more specific of two errors: that a mode was tried and failed, rather than that it was not offered.
    pub(super) fn or_more_specific(self, other: Self) -> Self {
        if matches!(self, Self::NoMode { .. }) { other } else { self }
    }
}

/// The reason why an interrupt was not moved to another CPU. It stays where it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SteerError {
    /// The CPU has no vectors left.
    #[error("{cpu}: {exhausted}")]
    Vectors {
        /// The CPU.
        cpu: Cpu,
        /// The number of its vectors that are wanted and free.
        exhausted: VectorsExhausted,
    },
    /// The caller is the interrupt's handler.
    #[error("an interrupt cannot be moved by its own handler")]
    InHandler,
    /// The CPU that has the interrupt does not serve it: it has interrupts disabled for long, or the caller has them disabled there.
    #[error("{cpu} does not serve its interrupts")]
    NotServed {
        /// The CPU that has the interrupt.
        cpu: Cpu,
    },
    /// The line is being moved by another sharer.
    #[error("the line is being moved")]
    Busy,
    /// The CPU cannot be the target of the line.
    #[error(transparent)]
    Route(#[from] RouteError),
}
