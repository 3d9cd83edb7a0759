//! Why no interrupt was granted.

use crate::config::Defect;
use crate::mmio::MapError;
use crate::ownership::Gone;
use crate::platform::{Mode, Offers, PermittedModes, RouteError};
use crate::vector::VectorsExhausted;

/// Why no interrupt was granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GrantError {
    /// The function offers nothing of what was wanted and this machine permits.
    #[error("no interrupt mode fits: the function offers {offers}; the machine permits {permitted}")]
    NoMode {
        /// What the function offers.
        offers: Offers,
        /// What may be granted here.
        permitted: PermittedModes,
    },
    /// The function says that it offers the mode, and says something about it that cannot be.
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
        /// What there was.
        granted: usize,
    },
    /// The function has no entry left for one more message.
    #[error("all {entries} entries are in use")]
    NoEntry {
        /// Entries that the function has.
        entries: usize,
    },
    /// The MSI-X table or its pending bits are not where they can be reached.
    #[error("the MSI-X table cannot be reached: {0}")]
    Table(#[from] MapError),
    /// The function is no longer there.
    #[error(transparent)]
    Gone(#[from] Gone),
    /// The function is there, and its capability takes no writes.
    #[error("the {mode} capability ignores writes")]
    IgnoresWrites {
        /// Whose capability.
        mode: Mode,
    },
    /// The line leads nowhere.
    #[error(transparent)]
    Route(#[from] RouteError),
}

impl GrantError {
    /// Of two refusals the one that says more: that a mode was tried and failed, rather than not there.
    pub(super) fn or(self, other: Self) -> Self {
        if matches!(self, Self::NoMode { .. }) { other } else { self }
    }
}
