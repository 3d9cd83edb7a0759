//! Registers and drops one device's handler over and over while the device interrupts, beside others that interrupt.
//!
//! ```text
//! app=interrupts -- teardown ROUNDS DRIVER
//! ```
//!
//! DRIVER is `edu`, `e1000e` or `ivshmem`; the first such device is torn down, and everything else that can be
//! raised is raised meanwhile and must lose nothing. A round is a whole life: the function is taken, claimed and
//! granted its interrupts, the handler is registered and called, and all of it is dropped while the device fires.
//!
//! What must hold: no handler is called after the drop of its registration has returned, its context is freed by
//! then, and everything that is counted as free is at the end what it was at the beginning.

mod target;
mod weapons;

use alloc::boxed::Box;
use alloc::string::ToString;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use embassy_futures::yield_now;
use embassy_time::Instant;
use switchboard::arch;
use switchboard::config::Address;
use switchboard::driver::attach;
use switchboard::interrupt::Mode;
use switchboard::machine::Machine;
use switchboard_drivers::raise::{Raise, RaiseError};

use self::target::{Target, Weapon};
use self::weapons::{E1000eCauses, EduFactorials, IvshmemDoorbells};
use super::{Failure, PATIENCE, answered, raisers, tell};
use crate::devices::Found;
use crate::say;
use crate::system::System;

/// So many rounds come first: lists grow to the length that they keep.
const WARM_UP: u64 = 8;
/// Calls that a round waits for before it ends, from none on: a drop may then meet the first call as well as a later.
const CALLS: u64 = 8;

pub(super) async fn run(mut system: System, rounds: u64, driver: &str) -> Result<(), Failure> {
    let mut others = raisers(&mut system)?;
    let place = others.iter().position(|found| found.driver == driver).ok_or(Failure::NoDevice)?;
    let found = others.remove(place);
    let mut range = Range { machine: system.machine, others, function: found.function, driver: found.driver };
    drop(found.device);
    match driver {
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
        let before = Free::now(self.machine);
        let start = Instant::now();
        let mut mode = None;
        for round in 0..rounds {
            mode = Some(self.round::<N, W>(round, &mut tally).await?);
        }
        let elapsed = start.elapsed().as_millis();
        let after = Free::now(self.machine);
        let mode = mode.map_or("none".into(), |mode| mode.to_string());
        say!(
            "teardown {} {} {mode} rounds {rounds} calls {} late {} kept {} in {elapsed} ms, {after}",
            self.driver,
            self.function,
            tally.calls,
            tally.late,
            tally.kept
        );
        match tally {
            Tally { late: 0, kept: 0, .. } if before == after => Ok(()),
            Tally { late: 0, kept: 0, .. } => Err(Failure::NotFreed { before, after }),
            Tally { late, kept, .. } => Err(Failure::Late { late, kept }),
        }
    }

    async fn round<const N: usize, W: Weapon<N>>(&mut self, round: u64, tally: &mut Tally) -> Result<Mode, Failure> {
        let function = self.machine.take(self.function).ok_or(Failure::NoDevice)?;
        let target: Target<N, W> = attach(function)?;
        let (witness, mode) = (target.witness(), target.mode());
        self.raise_others()?;
        let start = Instant::now();
        while witness.calls() < round % CALLS {
            if start.elapsed() > PATIENCE {
                return Err(Failure::Silent);
            }
            yield_now().await;
        }
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
        tally.calls += witness.calls();
        tally.late += witness.late();
        tally.kept += u64::from(is_kept);
        Ok(mode)
    }

    fn raise_others(&mut self) -> Result<(), Failure> {
        for Found { device, .. } in &mut self.others {
            for lane in 0..device.lanes() {
                match device.raise(lane) {
                    // It is raised already, and not answered yet.
                    Ok(()) | Err(RaiseError::Busy) => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(())
    }
}

/// What is free, of everything that a registration takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Free {
    vectors: usize,
    heap_bytes: usize,
    dma_pages: usize,
    rows: usize,
}

impl Free {
    fn now(machine: &Machine) -> Self {
        let rows = machine.vectors.report().len();
        let figures = arch::memory_figures();
        Self {
            vectors: machine.vectors.free(),
            heap_bytes: figures.heap.free,
            dma_pages: figures.dma_pages.saturating_sub(figures.dma_pages_used),
            rows,
        }
    }
}

impl fmt::Display for Free {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { vectors, heap_bytes, dma_pages, rows } = self;
        write!(f, "free: {vectors} vectors, {heap_bytes} heap bytes, {dma_pages} DMA pages; {rows} rows")
    }
}
