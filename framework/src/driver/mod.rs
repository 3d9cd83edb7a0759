//! The interface of a driver: the ids that it matches, and a probe that makes an instance of it from a function.

mod id;

pub use id::{Id, best_match};

use crate::dma::DmaError;
use crate::function::{ClaimError, Function, LentDriver, VirtualFunction};
use crate::interrupt::{GrantError, InterruptPort};
use crate::inventory::FunctionState;
use crate::mmio::{MapError, UnmappedBar};
use crate::ownership::Gone;

/// A driver. Each instance owns one function and there is no global state, so any number of instances exist at once.
///
/// ```
/// use switchboard::driver::{Driver, Id, ProbeError, attach};
/// use switchboard::function::Function;
/// use switchboard::mmio::{Bar, ReadOnly, Reg, RegisterBlock};
/// # use switchboard_testing::{FakeFunction, FakeMachine};
///
/// struct EduRegisters;
/// impl RegisterBlock for EduRegisters {
///     const SIZE: u64 = 0x100;
/// }
/// const IDENTIFICATION: Reg<EduRegisters, u32, ReadOnly> = Reg::at(0);
///
/// struct Edu {
///     registers: Bar<EduRegisters>,
/// }
/// impl Driver for Edu {
///     const NAME: &'static str = "edu";
///     const MATCHES: &'static [Id] = &[Id::new(0x1234, 0x11e8)];
///
///     fn probe(function: Function) -> Result<Self, ProbeError> {
///         let resources = function.claim()?;
///         let registers = resources.bar0.map()?;
///         match registers.read(&IDENTIFICATION) & 0xff {
///             0xed => Ok(Self { registers }),
///             found => Err(ProbeError::Unexpected { what: "identification", wanted: 0xed, found: found.into() }),
///         }
///     }
/// }
///
/// # let fake = FakeMachine::new([FakeFunction::new(0x1234, 0x11e8).bar(0, 0x10_0000)]);
/// # let machine = fake.machine();
/// # let address = machine.functions()[0].address;
/// let function = machine.take(address).expect("a function without a driver");
/// let error = attach::<Edu>(function).err();
/// assert_eq!(error.map(|error| error.to_string()).as_deref(), Some("identification: 0xed wanted, 0x0 found"));
///
/// # fake.write_register(address, 0, 0, 0x0100_00ed);
/// // A device that is one:
/// let edu = attach::<Edu>(machine.take(address).expect("the failed probe gave it back"))?;
/// assert_eq!(machine.functions()[0].driver, Some("edu"));
/// # drop(edu);
/// # Ok::<(), ProbeError>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a driver",
    note = "implement `Driver for {Self}`: `NAME`, `MATCHES`, and `probe`, which claims the function"
)]
pub trait Driver: Sized {
    /// The driver's name, in reports.
    const NAME: &'static str;
    /// The match table: the functions that it drives. If several drivers match a function, the one with the most specific entry
    /// is probed: see [`best_match`].
    const MATCHES: &'static [Id];

    /// Initializes the device and returns an instance.
    ///
    /// # Errors
    /// [`ProbeError`]. All resources of the function were released by then.
    fn probe(function: Function) -> Result<Self, ProbeError>;
}

/// Probes a function with driver `D`, and records the result for [`Machine::functions`](crate::machine::Machine::functions).
///
/// # Errors
/// The error of the probe. [`ProbeError::Gone`] instead, when the function was removed meanwhile: a driver may report the ones
/// that it read then as any other error.
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
            let text = alloc::format!("{}: {error}", D::NAME);
            status.state = match error {
                ProbeError::LeftAlone(_) => FunctionState::LeftAlone(text),
                _ => FunctionState::Failed(text),
            };
        });
        error
    })
}

impl<'a> VirtualFunction<'a> {
    /// Probes the virtual function as [`attach`] does. The driver is within the lifetime of the virtual functions' owner.
    ///
    /// # Errors
    /// As [`attach`].
    pub fn attach<D: Driver>(self) -> Result<LentDriver<'a, D>, ProbeError> {
        self.probe(attach::<D>)
    }
}

/// The reason why a probe failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProbeError {
    /// The function was removed.
    #[error(transparent)]
    Gone(#[from] Gone),
    /// The function could not be claimed.
    #[error(transparent)]
    Claim(#[from] ClaimError),
    /// A BAR could not be mapped.
    #[error(transparent)]
    Map(#[from] MapError),
    /// No interrupt was granted.
    #[error(transparent)]
    Grant(#[from] GrantError),
    /// No DMA memory was allocated.
    #[error(transparent)]
    Dma(#[from] DmaError),
    /// Nothing is wrong with the device, and the driver leaves it alone: firmware or another guest uses it, or it is
    /// configured for another purpose. The text describes why.
    #[error("{0}")]
    LeftAlone(&'static str),
    /// The device does not behave as its driver expects; the text describes what was expected and what was found.
    #[error("{0}")]
    Device(&'static str),
    /// As [`Device`](Self::Device), with the value that was read.
    #[error("{what}: {wanted:#x} wanted, {found:#x} found")]
    Unexpected {
        /// The name of the value.
        what: &'static str,
        /// The value that was expected.
        wanted: u64,
        /// The value that was read.
        found: u64,
    },
}

impl From<(MapError, UnmappedBar)> for ProbeError {
    fn from((error, _bar): (MapError, UnmappedBar)) -> Self {
        Self::Map(error)
    }
}

impl From<(GrantError, InterruptPort)> for ProbeError {
    fn from((error, _port): (GrantError, InterruptPort)) -> Self {
        Self::Grant(error)
    }
}
