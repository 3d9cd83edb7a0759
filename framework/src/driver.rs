//! What a driver is: ids that it matches, and a probe that makes an instance out of a function.

use crate::bar::{BarSlot, MapError};
use crate::config::SlotCapabilities;
use crate::dma::DmaError;
use crate::function::{ClaimError, Function, Gone, State};
use crate::interrupt::{GrantError, InterruptPort};

/// A driver for functions of some kind. Each instance owns its function; nothing is global, so any number of
/// them work at once.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a driver",
    note = "implement `Driver for {Self}`: `NAME`, `MATCHES`, and `probe`, which claims the function"
)]
pub trait Driver: Sized {
    /// The driver's name, in reports.
    const NAME: &'static str;
    /// The functions it drives.
    const MATCHES: &'static [Id];

    /// Brings a function up.
    ///
    /// # Errors
    /// [`ProbeError`]; what was taken of the function has gone back by then.
    fn probe(function: Function) -> Result<Self, ProbeError>;
}

/// A kind of function that a driver knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Id(Kind);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Ids(u16, u16),
    HotPlugPort,
}

impl Id {
    /// That vendor, that device.
    #[must_use]
    pub const fn new(vendor: u16, device: u16) -> Self {
        Self(Kind::Ids(vendor, device))
    }

    /// Any PCI Express port with a slot whose functions come and go: these are all alike.
    #[must_use]
    pub const fn hot_plug_port() -> Self {
        Self(Kind::HotPlugPort)
    }

    /// Whether the function is one.
    #[must_use]
    pub fn matches(self, function: &Function) -> bool {
        match self.0 {
            Kind::Ids(vendor, device) => function.id() == (vendor, device),
            Kind::HotPlugPort => function.slot().is_some_and(SlotCapabilities::is_hot_plug_capable),
        }
    }
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
        status.state = State::Live;
    });
    D::probe(function).map_err(|error| {
        let error = presence.confirm().map_or_else(ProbeError::Gone, |()| error);
        record.update(|status| {
            status.driver = None;
            status.state = State::Failed(alloc::format!("{}: {error}", D::NAME));
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

impl From<(MapError, BarSlot)> for ProbeError {
    fn from((error, _slot): (MapError, BarSlot)) -> Self {
        Self::Map(error)
    }
}

impl From<(GrantError, InterruptPort)> for ProbeError {
    fn from((error, _port): (GrantError, InterruptPort)) -> Self {
        Self::Grant(error)
    }
}
