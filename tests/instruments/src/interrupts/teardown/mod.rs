//! Registers and drops the handler of one device over and over, while it and other devices interrupt.
//!
//! ```text
//! app=interrupts -- teardown ROUNDS DRIVER
//! ```
//!
//! DRIVER is `edu`, `e1000e` or `ivshmem`; the first such device is tested, and all other devices that can interrupt on
//! request do so meanwhile, and must lose no interrupt. In each round the function is taken, claimed and granted its
//! interrupts, the handler is registered and called, and all of it is dropped while the device interrupts. Of e1000e by
//! MSI-X, only one entry is registered and dropped, beside others of the same table.
//!
//! It checks that no handler is called after the drop of its registration has returned, that its context is freed by then,
//! and that the free resources are the same before and after.

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

use self::device_under_test::{CallRecord, DeviceUnderTest, InterruptGenerator};
use self::generators::{E1000eCauses, EduFactorials, IvshmemDoorbells};
use super::{Failure, SERVICE_TIMEOUT, raisers, report, wait_served};
use crate::raise::{Raise, RaiseError};

/// Rounds before the measurement, in which lists grow to their final capacity.
const WARM_UP: u64 = 8;
/// A round waits for 0 to this many calls, exclusively, before it drops the registration: so the drop coincides with the
/// first call as well as with later ones.
const CALLS: u64 = 8;

pub(super) async fn run(mut system: System, rounds: u64, driver: &str) -> Result<(), Failure> {
    let mut others = raisers(&mut system)?;
    let place = others.iter().position(|found| found.driver == driver).ok_or(Failure::NoDevice)?;
    let found = others.remove(place);
    let mut test = TeardownTest { machine: system.machine, others, function: found.function, driver: found.driver };
    let mode = found.device.mode();
    drop(found.device);
    match driver {
        "e1000e" if mode == Mode::Msix => msix_entry::rounds(&mut test, rounds).await?,
        "edu" => test.rounds::<1, EduFactorials>(rounds).await?,
        "e1000e" => test.rounds::<5, E1000eCauses>(rounds).await?,
        "ivshmem" => test.rounds::<8, IvshmemDoorbells>(rounds).await?,
        _ => return Err(Failure::NoDevice),
    }
    report(test.others.iter().map(|found| (found, &*found.device)))
}

/// The sums over all rounds.
#[derive(Debug, Default)]
struct Totals {
    calls: u64,
    late: u64,
    leaked: u64,
}

impl Totals {
    fn add(&mut self, record: &CallRecord, is_leaked: bool) {
        self.calls += record.calls();
        self.late += record.late();
        self.leaked += u64::from(is_leaked);
    }
}

/// Waits until a round's handler was called a few times, and lets other tasks run.
async fn until_called(record: &CallRecord, round: u64) -> Result<(), Failure> {
    let start = Instant::now();
    while record.calls() < round % CALLS {
        if start.elapsed() > SERVICE_TIMEOUT {
            return Err(Failure::NoInterrupt);
        }
        yield_now().await;
    }
    Ok(())
}

/// The test of one device: its function, and the other devices that interrupt meanwhile.
struct TeardownTest {
    machine: &'static Machine,
    others: Vec<Found<Box<dyn Raise>>>,
    function: Address,
    driver: &'static str,
}

impl TeardownTest {
    async fn rounds<const N: usize, G: InterruptGenerator<N>>(&mut self, rounds: u64) -> Result<(), Failure> {
        let mut totals = Totals::default();
        for round in 0..WARM_UP {
            self.round::<N, G>(round, &mut totals).await?;
        }
        let before = FreeResources::measure(self.machine);
        let start = Instant::now();
        let mut mode = None;
        for round in 0..rounds {
            mode = Some(self.round::<N, G>(round, &mut totals).await?);
        }
        self.conclude(mode.ok_or(Failure::NoInterrupt)?, rounds, &totals, before, start)
    }

    /// Prints the sums, and fails if a call was late or anything leaked.
    fn conclude(
        &self,
        mode: Mode,
        rounds: u64,
        totals: &Totals,
        before: FreeResources,
        start: Instant,
    ) -> Result<(), Failure> {
        let (after, elapsed) = (FreeResources::measure(self.machine), start.elapsed().as_millis());
        let Self { driver, function, .. } = self;
        let Totals { calls, late, leaked } = *totals;
        say!(
            "teardown {driver} {function} {mode} rounds {rounds} calls {calls} late {late} leaked {leaked} in {elapsed} ms, {after}"
        );
        if late > 0 || leaked > 0 {
            return Err(Failure::Late { late, leaked });
        }
        if before == after { Ok(()) } else { Err(Failure::Leaked { before, after }) }
    }

    async fn round<const N: usize, G: InterruptGenerator<N>>(
        &mut self,
        round: u64,
        totals: &mut Totals,
    ) -> Result<Mode, Failure> {
        let function = self.machine.take(self.function).ok_or(Failure::NotReleased)?;
        let device: DeviceUnderTest<N, G> = attach(function)?;
        let (record, mode) = (device.record(), device.mode());
        self.raise_others()?;
        until_called(&record, round).await?;
        // An interrupt directly before the drop, in addition to those that the device raises by itself.
        device.trigger();
        let device = device.drop_registration();
        record.mark_dropped();
        let is_leaked = Arc::strong_count(&record) > 1;
        // Interrupts without a handler, with those of the other devices between them.
        device.trigger();
        self.raise_others()?;
        device.trigger();
        yield_now().await;
        drop(device);
        if !wait_served(&self.others).await {
            // Reports the outstanding interrupts as lost.
            return report(self.others.iter().map(|found| (found, &*found.device))).map(|()| mode);
        }
        totals.add(&record, is_leaked);
        Ok(mode)
    }

    fn raise_others(&mut self) -> Result<(), Failure> {
        for Found { device, .. } in &mut self.others {
            for source in 0..device.sources() {
                match device.raise(source) {
                    // Busy: an earlier interrupt was raised and not served yet.
                    Ok(()) | Err(RaiseError::Busy) => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(())
    }
}
