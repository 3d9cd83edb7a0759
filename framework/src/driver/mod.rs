//! What a driver is: ids that it matches, and a probe that makes an instance out of a function.

mod id;

pub use id::{Id, best_match};

use crate::dma::DmaError;
use crate::function::{ClaimError, Function};
use crate::interrupt::{GrantError, InterruptPort};
use crate::inventory::FunctionState;
use crate::mmio::{MapError, UnmappedBar};
use crate::ownership::Gone;

/// A driver for functions of some kind. Each instance owns its function; nothing is global, so any number of
/// them work at once.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a driver",
    note = "implement `Driver for {Self}`: `NAME`, `MATCHES`, and `probe`, which claims the function"
)]
pub trait Driver: Sized {
    /// The driver's name, in reports.
    const NAME: &'static str;
    /// The functions it drives. Of all drivers that match a function, the one with the most specific entry is offered it:
    /// see [`best_match`].
    const MATCHES: &'static [Id];

    /// Brings a function up.
    ///
    /// # Errors
    /// [`ProbeError`]; what was taken of the function has gone back by then.
    fn probe(function: Function) -> Result<Self, ProbeError>;
}

/// Probes a function with driver `D` and keeps the inventory's record of how it went.
///
/// # Errors
/// What the probe said; [`ProbeError::Gone`] instead, when the function went away meanwhile: whatever its driver made
/// of the ones that it read then.
pub fn attach<D: Driver>(function: Function) -> Result<D, ProbeError> {
    let (record, presence) = (function.record().clone(), function.presence());
    record.update(|status| {
        status.driver = Some(D::NAME);
        status.state = FunctionState::Live;
    });
    D::probe(function).map_err(|error| {
        let error = presence.confirm().map_or_else(ProbeError::Gone, |()| error);
        record.update(|status| {
            status.driver = None;
            status.state = FunctionState::Failed(alloc::format!("{}: {error}", D::NAME));
        });
        error
    })
}

/// Why a probe failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProbeError {
    /// The function went away.
    #[error(transparent)]
    Gone(#[from] Gone),
    /// The function could not be claimed.
    #[error(transparent)]
    Claim(#[from] ClaimError),
    /// Its registers could not be mapped.
    #[error(transparent)]
    Map(#[from] MapError),
    /// It was granted no interrupt that fits.
    #[error(transparent)]
    Grant(#[from] GrantError),
    /// There was no memory for it.
    #[error(transparent)]
    Dma(#[from] DmaError),
    /// The device does not speak as its driver expects; the text says what was wanted and what there was.
    #[error("{0}")]
    Device(&'static str),
    /// As [`Device`](Self::Device), with the value that was read.
    #[error("{what}: {wanted:#x} wanted, {found:#x} found")]
    Unexpected {
        /// What was looked at.
        what: &'static str,
        /// What it should have been.
        wanted: u64,
        /// What it was.
        found: u64,
    },
}

impl From<(MapError, UnmappedBar)> for ProbeError {
    fn from((error, _slot): (MapError, UnmappedBar)) -> Self {
        Self::Map(error)
    }
}

impl From<(GrantError, InterruptPort)> for ProbeError {
    fn from((error, _port): (GrantError, InterruptPort)) -> Self {
        Self::Grant(error)
    }
}
