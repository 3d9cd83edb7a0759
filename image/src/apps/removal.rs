//! Takes devices away and brings them back, over and over, by software alone, and serves the page meanwhile.
//!
//! ```text
//! app=removal -- ROUNDS FUNCTION ...
//! ```
//!
//! A round detaches each function, as 0000:00:04.0, and attaches it again; its driver and all who use it end, and start
//! anew. What is free must be at the end what it was at the beginning.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use embassy_futures::yield_now;
use embassy_time::{Duration, Timer};
use switchboard::config::Address;

use super::web::Site;
use switchboard_runtime::free_resources::FreeResources;
use switchboard_runtime::say;
use switchboard_runtime::system::{Outcome, System};

/// So many rounds come first: lists grow to the length that they keep.
const WARM_UP: u64 = 4;
/// Times that it is looked whether all came back.
const ATTEMPTS: usize = 3;
/// Between two rounds: enough for frames to come and go, not for an address.
const PAUSE: Duration = Duration::from_millis(5);

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("`{0}` is not understood: a number of rounds is wanted, and functions that have drivers")]
    Usage(String),
    #[error("{0} has no driver to take away")]
    NoDevice(Address),
    #[error("{0} was not given back")]
    NotGivenBack(Address),
    #[error("not all was given back: before, {before}; after, {after}")]
    NotFreed { before: FreeResources, after: FreeResources },
}

pub(super) async fn run(mut system: System) -> Outcome {
    let site = Site::open(&mut system).await;
    let (rounds, functions) = parse(&system).ok_or_else(|| Failure::Usage(system.arguments.into()))?;
    for _ in 0..WARM_UP {
        round(&mut system, site, &functions).await?;
    }
    // A connection that comes or goes meanwhile takes memory or gives it back. What a removal loses is lost each time.
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
            return Err(Failure::NotFreed { before, after }.into());
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
            return Err(Failure::NotGivenBack(*function));
        }
        site.follow(system).await;
    }
    Timer::after(PAUSE).await;
    // Time may pass without anybody's having had a turn: what was started has had one, and has its memory, then.
    yield_now().await;
    Ok(())
}

/// The functions are looked up by their names among those of the machine.
fn parse(system: &System) -> Option<(u64, Vec<Address>)> {
    let mut words = system.arguments.split_ascii_whitespace();
    let rounds = words.next()?.parse().ok()?;
    let known: Vec<Address> = system.machine.functions().iter().map(|function| function.address).collect();
    let find = |word: &str| known.iter().copied().find(|address| address.to_string() == word);
    let functions: Option<Vec<_>> = words.map(find).collect();
    functions.filter(|functions| !functions.is_empty()).map(|functions| (rounds, functions))
}
