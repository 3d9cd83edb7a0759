//! Registers and drops one device's handler over and over while the device interrupts, beside others that interrupt.
//!
//! ```text
//! app=interrupts -- teardown ROUNDS DRIVER
//! ```
//!
//! DRIVER is `edu`, `e1000e` or `ivshmem`; the first such device is torn down, and everything else that can be
//! raised is raised meanwhile and must lose nothing. A round is a whole life: the function is taken, claimed and
//! granted its interrupts, the handler is registered and called, and all of it is dropped while the device fires. Of
//! e1000e by MSI-X, one entry comes and goes beside others of the same table.
//!
//! What must hold: no handler is called after the drop of its registration has returned, its context is freed by
//! then, and everything that is counted as free is at the end what it was at the beginning.

mod device_under_test;
mod generators;
mod msix_entry;

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use embassy_futures::yield_now;
use embassy_time::Instant;
use switchboard::config::Address;
use switchboard::driver::attach;
use switchboard::interrupt::Mode;
use switchboard::machine::Machine;
use switchboard_runtime::devices::Found;
use switchboard_runtime::free_resources::FreeResources;
use switchboard_runtime::say;
use switchboard_runtime::system::System;

use self::device_under_test::{Target, Weapon, Witness};
use self::generators::{E1000eCauses, EduFactorials, IvshmemDoorbells};
use super::{ANSWER_TIMEOUT, Failure, answered, raisers, tell};
use crate::raise::{Raise, RaiseError};

/// So many rounds come first: lists grow to the length that they keep.
const WARM_UP: u64 = 8;
/// Calls that a round waits for before it ends, from none on: a drop may then meet the first call as well as a later.
const CALLS: u64 = 8;

pub(super) async fn run(mut system: System, rounds: u64, driver: &str) -> Result<(), Failure> {
    let mut others = raisers(&mut system)?;
    let place = others.iter().position(|found| found.driver == driver).ok_or(Failure::NoDevice)?;
    let found = others.remove(place);
    let mut range = Range { machine: system.machine, others, function: found.function, driver: found.driver };
    let mode = found.device.mode();
    drop(found.device);
    match driver {
        "e1000e" if mode == Mode::Msix => msix_entry::rounds(&mut range, rounds).await?,
        "edu" => range.rounds::<1, EduFactorials>(rounds).await?,
        "e1000e" => range.rounds::<5, E1000eCauses>(rounds).await?,
        "ivshmem" => range.rounds::<8, IvshmemDoorbells>(rounds).await?,
        _ => return Err(Failure::NoDevice),
    }
    tell(range.others.iter().map(|found| (found, &*found.device)))
}

/// What was seen over all rounds.
#[derive(Debug, Default)]
struct Tally {
    calls: u64,
    late: u64,
    kept: u64,
}

impl Tally {
    fn add(&mut self, witness: &Witness, is_kept: bool) {
        self.calls += witness.calls();
        self.late += witness.late();
        self.kept += u64::from(is_kept);
    }
}

/// Lets a round's handler be called a few times, and other code run.
async fn until_called(witness: &Witness, round: u64) -> Result<(), Failure> {
    let start = Instant::now();
    while witness.calls() < round % CALLS {
        if start.elapsed() > ANSWER_TIMEOUT {
            return Err(Failure::Silent);
        }
        yield_now().await;
    }
    Ok(())
}

/// The device that is shot at, and those beside it.
struct Range {
    machine: &'static Machine,
    others: Vec<Found<Box<dyn Raise>>>,
    function: Address,
    driver: &'static str,
}

impl Range {
    async fn rounds<const N: usize, W: Weapon<N>>(&mut self, rounds: u64) -> Result<(), Failure> {
        let mut tally = Tally::default();
        for round in 0..WARM_UP {
            self.round::<N, W>(round, &mut tally).await?;
        }
        let before = FreeResources::measure(self.machine);
        let start = Instant::now();
        let mut mode = None;
        for round in 0..rounds {
            mode = Some(self.round::<N, W>(round, &mut tally).await?);
        }
        self.account(mode.ok_or(Failure::Silent)?, rounds, &tally, before, start)
    }

    /// Tells what was seen, and judges it.
    fn account(
        &self,
        mode: Mode,
        rounds: u64,
        tally: &Tally,
        before: FreeResources,
        start: Instant,
    ) -> Result<(), Failure> {
        let (after, elapsed) = (FreeResources::measure(self.machine), start.elapsed().as_millis());
        let Self { driver, function, .. } = self;
        let Tally { calls, late, kept } = *tally;
        say!(
            "teardown {driver} {function} {mode} rounds {rounds} calls {calls} late {late} kept {kept} in {elapsed} ms, {after}"
        );
        if late > 0 || kept > 0 {
            return Err(Failure::Late { late, kept });
        }
        if before == after { Ok(()) } else { Err(Failure::NotFreed { before, after }) }
    }

    async fn round<const N: usize, W: Weapon<N>>(&mut self, round: u64, tally: &mut Tally) -> Result<Mode, Failure> {
        let function = self.machine.take(self.function).ok_or(Failure::NotGivenBack)?;
        let target: Target<N, W> = attach(function)?;
        let (witness, mode) = (target.witness(), target.mode());
        self.raise_others()?;
        until_called(&witness, round).await?;
        // Asserted, or sent, in the instructions before the drop, besides what the device does by itself.
        target.fire();
        let device = target.drop_registration();
        witness.dropped();
        let is_kept = Arc::strong_count(&witness) > 1;
        // Fired into the void, and the others in the middle of it.
        device.fire();
        self.raise_others()?;
        device.fire();
        yield_now().await;
        drop(device);
        if !answered(&self.others).await {
            // What is outstanding is counted as lost, and told.
            return tell(self.others.iter().map(|found| (found, &*found.device))).map(|()| mode);
        }
        tally.add(&witness, is_kept);
        Ok(mode)
    }

    fn raise_others(&mut self) -> Result<(), Failure> {
        for Found { device, .. } in &mut self.others {
            for source in 0..device.sources() {
                match device.raise(source) {
                    // It is raised already, and not answered yet.
                    Ok(()) | Err(RaiseError::Busy) => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(())
    }
}
