//! Raises interrupts, and tells what became of each: for tests, and to see a mode or a shared line at work.
//!
//! ```text
//! app=interrupts -- raise COUNT [DRIVER ...] | listen | storm | teardown ROUNDS DRIVER
//! ```
//!
//! `raise` has the devices interrupt COUNT times each, in turn. `listen` serves what the host raises through
//! ivshmem until it says that it is done. `storm` has the first edu device pull its line for ever, with nobody to
//! claim it, and runs another app meanwhile, so that it is seen whether the machine goes on. `teardown` has its own module.
//!
//! A source's result is one line: `source DRIVER FUNCTION MODE LANE raised R handled H coalesced C idle I lost L`.

mod raiser;
mod teardown;
mod unclaimed;

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use embassy_futures::yield_now;
use embassy_time::{Duration, Instant, Timer};
use switchboard::driver::{Driver, ProbeError, attach};
use switchboard_drivers::edu::Edu;
use switchboard_runtime::devices::Found;
use switchboard_runtime::free_resources::FreeResources;
use switchboard_runtime::say;
use switchboard_runtime::system::{Outcome, RunApp, System};

pub use self::raiser::Raiser;
use self::unclaimed::DeafEdu;
use crate::edu::EduRaiser;
use crate::ivshmem::Ivshmem;
use crate::raise::{Raise, RaiseError};

const USAGE: &str = "the verbs are: raise COUNT [DRIVER ...], listen, storm, teardown ROUNDS DRIVER";
/// What is raised is served in microseconds; a device that holds interrupts apart takes milliseconds.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
const TICK: Duration = Duration::from_millis(2);
/// So many are raised one by one, each answered before the next, so that none that is lost can hide behind a later
/// one; and then so many in a row, so that they merge.
const BURST: u64 = 64;

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("`{0}` is not understood: {USAGE}")]
    Usage(String),
    #[error("no such device: no function has a driver of that name")]
    NoDevice,
    #[error("the function was not given back: something of its last driver is left")]
    NotGivenBack,
    #[error("{0} interrupts are lost")]
    Lost(u64),
    #[error("{late} calls of a handler whose registration was dropped, {kept} contexts that outlived theirs")]
    Late { late: u64, kept: u64 },
    #[error("not all was given back: before, {before}; after, {after}")]
    NotFreed { before: FreeResources, after: FreeResources },
    #[error("the device under fire does not interrupt")]
    Silent,
    #[error(transparent)]
    Probe(#[from] ProbeError),
    #[error(transparent)]
    Raise(#[from] RaiseError),
}

/// Runs the app; `beside` is what goes on during a storm.
///
/// # Errors
/// What was lost, late, left or not understood.
pub async fn run(mut system: System, beside: &dyn RunApp) -> Outcome {
    let mut words = system.arguments.split_ascii_whitespace();
    let usage = || Failure::Usage(system.arguments.into());
    match words.next() {
        Some("raise") => {
            let count = words.next().and_then(|word| word.parse().ok()).ok_or_else(usage)?;
            let wanted: Vec<_> = words.collect();
            let mut raisers = raisers(&mut system)?;
            raisers.retain(|found| wanted.is_empty() || wanted.contains(&found.driver));
            Ok(raise(&mut raisers, count).await?)
        }
        Some("listen") => Ok(listen(system).await?),
        Some("storm") => storm(system, beside).await,
        Some("teardown") => {
            let rounds = words.next().and_then(|word| word.parse().ok()).ok_or_else(usage)?;
            let driver = words.next().ok_or_else(usage)?;
            Ok(teardown::run(system, rounds, driver).await?)
        }
        _ => Err(usage().into()),
    }
}

/// Every device that can be told to interrupt.
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

/// Gives the function of an edu device to another driver.
fn replace_edu<D: Driver>(system: &mut System) -> Result<Option<Found<D>>, Failure> {
    let Some(Found { function, device, .. }) = system.devices.take_first::<Edu>() else { return Ok(None) };
    drop(device);
    let taken = system.machine.take(function).ok_or(Failure::NoDevice)?;
    Ok(Some(Found { function, driver: D::NAME, device: attach::<D>(taken)? }))
}

async fn raise(raisers: &mut [Found<Box<dyn Raise>>], count: u64) -> Result<(), Failure> {
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
        let is_alone = (number / BURST).is_multiple_of(2);
        let is_last = number % BURST == BURST - 1 || number == count - 1;
        if (is_alone || is_last) && !answered(raisers).await {
            break;
        }
    }
    tell(raisers.iter().map(|found| (found, &*found.device)))
}

/// Waits until all that was raised is answered; `false` when it is not in time.
async fn answered(raisers: &[Found<Box<dyn Raise>>]) -> bool {
    let start = Instant::now();
    while raisers.iter().any(|found| outstanding(&*found.device) > 0) {
        if start.elapsed() > ANSWER_TIMEOUT {
            return false;
        }
        yield_now().await;
    }
    true
}

async fn listen(system: System) -> Result<(), Failure> {
    let devices: Vec<Found<&Ivshmem>> = system.devices.iter().collect();
    if devices.is_empty() {
        return Err(Failure::NoDevice);
    }
    for Found { function, device, .. } in &devices {
        say!("listen {function}: peer {}, {} vectors by {}", device.position(), device.sources(), device.mode());
    }
    while devices.iter().any(|found| !found.device.is_finished()) {
        Timer::after(TICK).await;
    }
    let start = Instant::now();
    while devices.iter().any(|found| outstanding(found.device) > 0) && start.elapsed() < ANSWER_TIMEOUT {
        Timer::after(TICK).await;
    }
    tell(devices.iter().map(|found| (found, found.device as &dyn Raise)))
}

fn outstanding(device: &dyn Raise) -> u64 {
    (0..device.sources()).map(|source| device.count(source).outstanding()).sum()
}

/// One line for each source. What is outstanding by now is lost.
fn tell<'a, D: 'a>(devices: impl Iterator<Item = (&'a Found<D>, &'a dyn Raise)>) -> Result<(), Failure> {
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
    let deaf: Found<DeafEdu> = replace_edu(&mut system)?.ok_or(Failure::NoDevice)?;
    deaf.device.pull();
    say!("storm: {} asserts GSI {}, claimed by no handler", deaf.function, deaf.device.gsi());
    beside.run(system).await
}
