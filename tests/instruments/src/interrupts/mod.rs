//! Raises interrupts, and reports whether each was handled, coalesced or lost.
//!
//! ```text
//! app=interrupts -- raise COUNT [DRIVER ...] | steer COUNT [DRIVER ...] | listen [steer] | storm | teardown ROUNDS DRIVER
//! ```
//!
//! `raise` makes each device interrupt COUNT times, in turn. `steer` does so, too, and moves the interrupts of a source of each device to
//! another CPU every millisecond; so does `listen steer`. `listen` serves the interrupts that the host raises through
//! ivshmem until the host marks the end. `storm` makes the first edu device assert its line for ever, without a handler
//! that claims it, and runs another app meanwhile, to test that the machine goes on. `teardown` has its own module.
//!
//! The result of each source is one line: `source DRIVER FUNCTION MODE INDEX raised R handled H coalesced C idle I lost L`.

mod raiser;
mod steering;
mod teardown;
mod unclaimed;

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use embassy_futures::yield_now;
use embassy_time::{Duration, Instant, Timer};
use switchboard::driver::{Driver, ProbeError, attach};
use switchboard::interrupt::SteerError;
use switchboard_drivers::edu::Edu;
use switchboard_runtime::devices::Found;
use switchboard_runtime::free_resources::FreeResources;
use switchboard_runtime::say;
use switchboard_runtime::system::{Outcome, RunApp, System};

pub use self::raiser::Raiser;
use self::steering::Steering;
use self::unclaimed::UnclaimedEdu;
use crate::edu::EduRaiser;
use crate::ivshmem::Ivshmem;
use crate::raise::{Raise, RaiseError};

const USAGE: &str = "the commands are: raise COUNT [DRIVER ...], steer COUNT [DRIVER ...], listen [steer], storm, teardown ROUNDS DRIVER";
/// The timeout for the handling of what was raised. It takes microseconds, or milliseconds with interrupt moderation.
const SERVICE_TIMEOUT: Duration = Duration::from_secs(5);
/// The interval of polling in `listen`.
const POLL_INTERVAL: Duration = Duration::from_millis(2);
/// Interrupts that are raised one by one, each served before the next, so that a later one does not hide a lost one; and
/// after them as many without a wait, so that they coalesce.
const BURST: u64 = 64;

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("`{0}` is invalid: {USAGE}")]
    Usage(String),
    #[error("no such device: no function has a driver of that name")]
    NoDevice,
    #[error("the function was not released by its last driver")]
    NotReleased,
    #[error("{0} interrupts are lost")]
    Lost(u64),
    #[error("{late} calls of a handler after its registration was dropped, {leaked} contexts not freed with it")]
    Late { late: u64, leaked: u64 },
    #[error("resources leaked: before, {before}; after, {after}")]
    Leaked { before: FreeResources, after: FreeResources },
    #[error("the device under test does not interrupt")]
    NoInterrupt,
    #[error(transparent)]
    Probe(#[from] ProbeError),
    #[error(transparent)]
    Raise(#[from] RaiseError),
    #[error(transparent)]
    Steer(#[from] SteerError),
}

/// Runs the app; `beside` is the app that runs during a storm.
///
/// # Errors
/// Fails when an interrupt was lost or late, when resources leaked, or when the arguments are invalid.
pub async fn run(mut system: System, beside: &dyn RunApp) -> Outcome {
    let mut arguments = system.arguments.split_ascii_whitespace();
    let usage = || Failure::Usage(system.arguments.into());
    match arguments.next() {
        Some(command @ ("raise" | "steer")) => {
            let count = arguments.next().and_then(|word| word.parse().ok()).ok_or_else(usage)?;
            let wanted: Vec<_> = arguments.collect();
            let mut raisers = raisers(&mut system)?;
            raisers.retain(|found| wanted.is_empty() || wanted.contains(&found.driver));
            let mut steering = (command == "steer").then(|| Steering::new(system.machine));
            raise(&mut raisers, count, &mut steering).await?;
            steering.inspect(|steering| steering.report(system.machine));
            Ok(())
        }
        Some("listen") => {
            let steering = arguments.next().map(|_| Steering::new(system.machine));
            Ok(listen(system, steering).await?)
        }
        Some("storm") => {
            // The word is this app's, and no argument of the other one.
            system.arguments = "";
            storm(system, beside).await
        }
        Some("teardown") => {
            let rounds = arguments.next().and_then(|word| word.parse().ok()).ok_or_else(usage)?;
            let driver = arguments.next().ok_or_else(usage)?;
            Ok(teardown::run(system, rounds, driver).await?)
        }
        _ => Err(usage().into()),
    }
}

/// Returns every device that can interrupt on request.
fn raisers(system: &mut System) -> Result<Vec<Found<Box<dyn Raise>>>, Failure> {
    let mut raisers = Vec::new();
    for Found { function, driver, device: Raiser(device) } in system.devices.take_all() {
        raisers.push(Found { function, driver, device });
    }
    for Found { function, driver, device } in system.devices.take_all::<Ivshmem>() {
        raisers.push(Found { function, driver, device: Box::new(device) });
    }
    while let Some(device) = replace_edu::<EduRaiser>(system)? {
        raisers.push(Found { function: device.function, driver: device.driver, device: Box::new(device.device) });
    }
    raisers.sort_by_key(|found| found.function);
    Ok(raisers)
}

/// Replaces the driver of the first edu device.
fn replace_edu<D: Driver>(system: &mut System) -> Result<Option<Found<D>>, Failure> {
    let Some(Found { function, device, .. }) = system.devices.take_first::<Edu>() else { return Ok(None) };
    drop(device);
    let taken = system.machine.take(function).ok_or(Failure::NoDevice)?;
    Ok(Some(Found { function, driver: D::NAME, device: attach::<D>(taken)? }))
}

async fn raise(
    raisers: &mut [Found<Box<dyn Raise>>],
    count: u64,
    steering: &mut Option<Steering>,
) -> Result<(), Failure> {
    if raisers.is_empty() {
        return Err(Failure::NoDevice);
    }
    for number in 0..count {
        for Found { device, .. } in &mut *raisers {
            let source = usize::try_from(number).unwrap_or(0) % device.sources();
            while let Err(error) = device.raise(source) {
                if error != RaiseError::Busy {
                    return Err(error.into());
                }
                yield_now().await;
            }
        }
        if let Some(steering) = steering {
            steering.steer(raisers.iter_mut().map(|found| &mut *found.device as &mut dyn Raise))?;
        }
        let is_single = (number / BURST).is_multiple_of(2);
        let is_last = number % BURST == BURST - 1 || number == count - 1;
        if (is_single || is_last) && !wait_served(raisers).await {
            break;
        }
    }
    report(raisers.iter().map(|found| (found, &*found.device)))
}

/// Waits until all interrupts are served; returns `false` after a timeout.
async fn wait_served(raisers: &[Found<Box<dyn Raise>>]) -> bool {
    let start = Instant::now();
    while raisers.iter().any(|found| outstanding(&*found.device) > 0) {
        if start.elapsed() > SERVICE_TIMEOUT {
            return false;
        }
        yield_now().await;
    }
    true
}

async fn listen(mut system: System, mut steering: Option<Steering>) -> Result<(), Failure> {
    let machine = system.machine;
    let mut devices = system.devices.take_all::<Ivshmem>();
    if devices.is_empty() {
        return Err(Failure::NoDevice);
    }
    for Found { function, device, .. } in &devices {
        say!("listen {function}: peer {}, {} vectors by {}", device.position(), device.sources(), device.mode());
    }
    while devices.iter().any(|found| !found.device.is_finished()) {
        let interval = if steering.is_some() { POLL_INTERVAL / 2 } else { POLL_INTERVAL };
        Timer::after(interval).await;
        if let Some(steering) = &mut steering {
            steering.steer(devices.iter_mut().map(|found| &mut found.device as &mut dyn Raise))?;
        }
    }
    let start = Instant::now();
    while devices.iter().any(|found| outstanding(&found.device) > 0) && start.elapsed() < SERVICE_TIMEOUT {
        Timer::after(POLL_INTERVAL).await;
    }
    steering.inspect(|steering| steering.report(machine));
    report(devices.iter().map(|found| (found, &found.device as &dyn Raise)))
}

fn outstanding(device: &dyn Raise) -> u64 {
    (0..device.sources()).map(|source| device.count(source).outstanding()).sum()
}

/// Prints one line for each source. Interrupts that are still outstanding are lost.
fn report<'a, D: 'a>(devices: impl Iterator<Item = (&'a Found<D>, &'a dyn Raise)>) -> Result<(), Failure> {
    let mut lost = 0;
    for (Found { function, driver, .. }, device) in devices {
        lost += outstanding(device);
        for source in 0..device.sources() {
            let count = device.count(source);
            say!(
                "source {driver} {function} {} {source} raised {} handled {} coalesced {} idle {} lost {}",
                device.mode(),
                count.raised,
                count.handled,
                count.coalesced,
                count.idle,
                count.outstanding()
            );
        }
    }
    if lost == 0 { Ok(()) } else { Err(Failure::Lost(lost)) }
}

async fn storm(mut system: System, beside: &dyn RunApp) -> Outcome {
    let edu: Found<UnclaimedEdu> = replace_edu(&mut system)?.ok_or(Failure::NoDevice)?;
    edu.device.assert_line();
    say!("storm: {} asserts GSI {}, claimed by no handler", edu.function, edu.device.gsi());
    beside.run(system).await
}
