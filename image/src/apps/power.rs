//! Sleep and reset of functions, on every source of randomness: it works before, between and after.

use alloc::vec::Vec;

use embassy_time::{Duration, TimeoutError, Timer, with_timeout};
use switchboard::config::Address;
use switchboard::driver::{Driver, ProbeError, attach};
use switchboard::function::{
    Function, PowerState, ResetError, ResetMethod, SettleError, Settled, Settling, SuspendError,
};
use switchboard::machine::Machine;
use switchboard_drivers::virtio::VirtioRng;
use switchboard_drivers::virtio::rng::RngError;

use switchboard_runtime::devices::{Found, RandomSource};
use switchboard_runtime::say;
use switchboard_runtime::system::{Outcome, System};

/// For some random bytes; a device whose interrupt is lost would take for ever.
const PATIENCE: Duration = Duration::from_secs(10);
/// From when a function was told to sleep until it can be asked whether it does.
const FALLING_ASLEEP: Duration = Duration::from_millis(10);

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("no source of randomness: no function has the virtio-rng driver")]
    NoDevice,
    #[error("{0} was not given back")]
    Taken(Address),
    #[error("{address} was told to sleep, and is in {state:?}")]
    Awake { address: Address, state: PowerState },
    #[error("no random bytes came in {} seconds", PATIENCE.as_secs())]
    TimedOut,
    #[error(transparent)]
    Probe(#[from] ProbeError),
    #[error(transparent)]
    Rng(#[from] RngError),
    #[error(transparent)]
    Reset(#[from] ResetError),
    #[error(transparent)]
    Suspend(#[from] SuspendError),
    #[error(transparent)]
    Settle(#[from] SettleError),
}

impl From<TimeoutError> for Failure {
    fn from(TimeoutError: TimeoutError) -> Self {
        Self::TimedOut
    }
}

pub(super) async fn run(mut system: System) -> Outcome {
    let mut functions = Vec::new();
    for Found { function, driver, device } in system.devices.take_all::<RandomSource>() {
        drop(device);
        functions.extend((driver == VirtioRng::NAME).then_some(function));
    }
    if functions.is_empty() {
        return Err(Failure::NoDevice.into());
    }
    for address in functions {
        let function = system.machine.take(address).ok_or(Failure::Taken(address))?;
        let (rng, function) = use_up(attach(function).map_err(Failure::from)?, system.machine, address).await?;
        say!("{address}: {rng} random bytes, then given back");

        let method = function.reset_method().map_or("nothing", ResetMethod::name);
        let function = settled(function.reset().map_err(|(error, _)| error).map_err(Failure::from)?).await?;
        say!("{address}: reset by {method}");
        let (rng, function) = use_up(attach(function).map_err(Failure::from)?, system.machine, address).await?;
        say!("{address}: {rng} random bytes after the reset");

        let sleeping = function.suspend().map_err(|(error, _)| error).map_err(Failure::from)?;
        Timer::after(FALLING_ASLEEP).await;
        match sleeping.power_state() {
            PowerState::D3Hot => say!("{address}: asleep"),
            state => return Err(Failure::Awake { address, state }.into()),
        }
        let function = settled(sleeping.resume()).await?;
        let (rng, _) = use_up(attach(function).map_err(Failure::from)?, system.machine, address).await?;
        say!("{address}: {rng} random bytes after the sleep");
    }
    Ok(())
}

/// Takes some bytes from a device, drops its driver, and takes the function; says how many bytes those were.
async fn use_up(mut rng: VirtioRng, machine: &'static Machine, address: Address) -> Result<(usize, Function), Failure> {
    let mut bytes = [0; 64];
    with_timeout(PATIENCE, rng.fill(&mut bytes)).await??;
    drop(rng);
    Ok((bytes.len(), machine.take(address).ok_or(Failure::Taken(address))?))
}

/// Waits for a function without keeping others from their work.
async fn settled(mut settling: Settling) -> Result<Function, Failure> {
    loop {
        match settling.poll()? {
            Settled::Ready(function) => return Ok(function),
            Settled::NotYet(next) => settling = next,
        }
        Timer::after(Duration::from_nanos(settling.remaining_ns())).await;
    }
}
