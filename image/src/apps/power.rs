//! Tests power states and resets with every virtio random number device: before, between and after.

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

/// The timeout for random bytes. A lost interrupt would never end the wait.
const RANDOM_TIMEOUT: Duration = Duration::from_secs(10);
/// The delay after a change to D3hot before the function may be accessed (PCI PM 1.2, 5.6.1).
const D3HOT_DELAY: Duration = Duration::from_millis(10);

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("no random number device: no function has the virtio-rng driver")]
    NoDevice,
    #[error("{0} was not released by its driver")]
    NotReleased(Address),
    #[error("{address} was suspended, and is in {state:?}")]
    NotSuspended { address: Address, state: PowerState },
    #[error("no random bytes within {} seconds", RANDOM_TIMEOUT.as_secs())]
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
        let function = system.machine.take(address).ok_or(Failure::NotReleased(address))?;
        let (rng, function) =
            read_and_detach(attach(function).map_err(Failure::from)?, system.machine, address).await?;
        say!("{address}: {rng} random bytes, then released");

        let method = function.reset_method().map_or("nothing", ResetMethod::name);
        let function = wait_settled(function.reset().map_err(|(error, _)| error).map_err(Failure::from)?).await?;
        say!("{address}: reset by {method}");
        let (rng, function) =
            read_and_detach(attach(function).map_err(Failure::from)?, system.machine, address).await?;
        say!("{address}: {rng} random bytes after the reset");

        let sleeping = function.suspend().map_err(|(error, _)| error).map_err(Failure::from)?;
        Timer::after(D3HOT_DELAY).await;
        match sleeping.power_state() {
            PowerState::D3Hot => say!("{address}: asleep"),
            state => return Err(Failure::NotSuspended { address, state }.into()),
        }
        let function = wait_settled(sleeping.resume()).await?;
        let (rng, _) = read_and_detach(attach(function).map_err(Failure::from)?, system.machine, address).await?;
        say!("{address}: {rng} random bytes after the sleep");
    }
    Ok(())
}

/// Reads random bytes, drops the driver, and takes the function again; returns the number of bytes and the function.
async fn read_and_detach(
    mut rng: VirtioRng,
    machine: &'static Machine,
    address: Address,
) -> Result<(usize, Function), Failure> {
    let mut bytes = [0; 64];
    with_timeout(RANDOM_TIMEOUT, rng.fill(&mut bytes)).await??;
    drop(rng);
    Ok((bytes.len(), machine.take(address).ok_or(Failure::NotReleased(address))?))
}

/// Waits until a function is ready, and lets other tasks run meanwhile.
async fn wait_settled(mut settling: Settling) -> Result<Function, Failure> {
    loop {
        match settling.poll()? {
            Settled::Ready(function) => return Ok(function),
            Settled::NotYet(next) => settling = next,
        }
        Timer::after(Duration::from_nanos(settling.remaining_ns())).await;
    }
}
