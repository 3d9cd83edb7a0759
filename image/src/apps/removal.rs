//! Detaches devices and attaches them again, over and over, and serves the web page meanwhile.
//!
//! ```text
//! app=removal -- ROUNDS FUNCTION ...
//! ```
//!
//! FUNCTION is an address as 0000:00:04.0. A round detaches the driver of each function, with all its users, and attaches
//! it again. The free resources must be the same before and after.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use embassy_futures::yield_now;
use embassy_time::{Duration, Timer};
use switchboard::config::Address;

use super::web::{Limits, Site};
use switchboard_runtime::free_resources::FreeResources;
use switchboard_runtime::say;
use switchboard_runtime::system::{Outcome, System};

/// Rounds before the first measurement, in which lists grow to their final capacity.
const WARM_UP: u64 = 4;
/// Measurements until one must show no leak.
const ATTEMPTS: usize = 3;
/// The pause between two rounds: enough for frames to be exchanged, too short for DHCP.
const PAUSE: Duration = Duration::from_millis(5);

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("`{0}` is invalid: the arguments are a number of rounds and the addresses of functions")]
    Usage(String),
    #[error("{0} has no driver")]
    NoDevice(Address),
    #[error("{0} could not be attached again")]
    NotAttached(Address),
    #[error("resources leaked: before, {before}; after, {after}")]
    Leaked { before: FreeResources, after: FreeResources },
}

pub(super) async fn run(mut system: System) -> Outcome {
    let site = Site::open(&mut system, Limits::default()).await;
    let (rounds, functions) = parse(&system).ok_or_else(|| Failure::Usage(system.arguments.into()))?;
    for _ in 0..WARM_UP {
        round(&mut system, site, &functions).await?;
    }
    // A connection that opens or closes meanwhile changes the free memory. A real leak is there at every attempt.
    let mut before = FreeResources::measure(system.machine);
    for attempt in 1..=ATTEMPTS {
        for _ in 0..rounds {
            round(&mut system, site, &functions).await?;
        }
        let after = FreeResources::measure(system.machine);
        if before == after {
            say!("removal: {rounds} rounds of {} functions, {after}", functions.len());
            break;
        }
        if attempt == ATTEMPTS {
            return Err(Failure::Leaked { before, after }.into());
        }
        before = after;
    }
    core::future::pending().await
}

async fn round(system: &mut System, site: &Site, functions: &[Address]) -> Result<(), Failure> {
    for function in functions {
        if !system.detach(*function).await {
            return Err(Failure::NoDevice(*function));
        }
        site.follow(system).await;
    }
    for function in functions {
        if !system.attach(*function).await {
            return Err(Failure::NotAttached(*function));
        }
        site.follow(system).await;
    }
    Timer::after(PAUSE).await;
    // The timer may expire before the new tasks were polled. Once more, so that all have allocated their memory.
    yield_now().await;
    Ok(())
}

/// Parses the arguments; `None` if a function is unknown or none is given.
fn parse(system: &System) -> Option<(u64, Vec<Address>)> {
    let mut arguments = system.arguments.split_ascii_whitespace();
    let rounds = arguments.next()?.parse().ok()?;
    let known: Vec<Address> = system.machine.functions().iter().map(|function| function.address).collect();
    let find = |name: &str| known.iter().copied().find(|address| address.to_string() == name);
    let functions: Option<Vec<_>> = arguments.map(find).collect();
    functions.filter(|functions| !functions.is_empty()).map(|functions| (rounds, functions))
}
