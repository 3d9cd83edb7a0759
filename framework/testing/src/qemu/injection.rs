//! Faults for any driver, generated from a run without one.

use core::fmt::Debug;
use core::sync::atomic::Ordering;
use std::eprintln;
use std::thread;
use std::vec::Vec;

use switchboard::driver::{Driver, ProbeError};
use switchboard::platform::{Mode, ModePolicy};

use super::bench::Bench;
use super::builder::BenchBuilder;

/// A fault that a bench injects. Indices count from the start of the probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Injected {
    /// Register reads from this one on return all ones; configuration space and writes work.
    RegistersReadOnes {
        /// The first read.
        from: u64,
    },
    /// The function is removed before this register read.
    Removed {
        /// The read.
        from: u64,
    },
    /// This interrupt is not delivered. A line that stays asserted is delivered again.
    InterruptLost {
        /// The interrupt.
        index: u64,
    },
    /// This interrupt is delivered twice.
    InterruptTwice {
        /// The interrupt.
        index: u64,
    },
    /// This interrupt is delivered 2 ms late.
    InterruptLate {
        /// The interrupt.
        index: u64,
    },
    /// This allocation of DMA memory fails.
    MemoryRefused {
        /// The allocation.
        index: u64,
    },
}

impl Injected {
    /// Returns whether probe and use succeed in spite of it.
    pub(super) fn must_work(self) -> bool {
        matches!(self, Self::InterruptTwice { .. } | Self::InterruptLate { .. })
    }
}

/// What [`BenchBuilder::inject`] did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct InjectionReport {
    /// The faults injected.
    pub faults: usize,
    /// The runs that ended with an error of probe or use.
    pub errors: usize,
    /// The runs in which the use did not end, after the driver had isolated the device, or the machine's watch had found that it does not
    /// respond: its owner learns that by [`FunctionState`](switchboard::function::FunctionState), or by
    /// [`Presence::gone`](switchboard::function::Presence::gone). Network cards have no error; their link is down.
    pub given_up: usize,
    /// The runs in which the use did not end, and nothing found out why.
    pub stuck: usize,
}

/// Prints the fault during which a test panics.
struct Context(Injected, ModePolicy);

impl Drop for Context {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("the injected fault: {:?}, {:?}", self.0, self.1);
        }
    }
}

/// Returns the places of up to `limit` faults among `count`, evenly spread.
fn places(count: u64, limit: u64) -> impl Iterator<Item = u64> {
    let step = count.div_ceil(limit.max(1)).max(1);
    (0..count).step_by(usize::try_from(step).unwrap_or(usize::MAX))
}

impl BenchBuilder {
    /// Probes and uses the driver again and again, with a fault in each run: each register read returns ones from then on,
    /// or the function is removed at it; each interrupt is lost, doubled, late; each allocation of DMA memory is refused.
    /// All of it in each interrupt mode that the device offers. Of each kind at most `limit` are injected, evenly spread.
    ///
    /// `use_device` returns `None` when its future does not end, an error that the driver reports, or `Ok`; it panics when
    /// data are wrong. Without a fault, and with a doubled or late interrupt, it must return `Ok`. Whatever the fault is, no
    /// memory and no handler is left after the driver is dropped. Returns `None` where QEMU is not installed.
    ///
    /// # Panics
    /// When one of these does not hold.
    pub fn inject<D: Driver, E: Debug>(
        self,
        limit: u64,
        use_device: impl Fn(&Bench, &mut D) -> Option<Result<(), E>>,
    ) -> Option<InjectionReport> {
        let this = self.record_if_asked();
        let mut bench = (Self { recording: None, ..this.clone() }).launch()?;
        let mut report = InjectionReport::default();
        let offers = bench.function_under_test().offers;
        let modes = [(Mode::Intx, ModePolicy::INTX), (Mode::Msi, ModePolicy::MSI), (Mode::Msix, ModePolicy::MSIX)];
        for (mode, policy) in modes.into_iter().filter(|(mode, _)| offers.has(*mode)) {
            bench.builder.recording = this.recording_in_mode(mode);
            bench = bench.restart(policy);
            bench.session.faults.set(None);
            let mut driver = match bench.try_attach::<D>() {
                Ok(driver) => driver,
                // A driver that needs another mode.
                Err(ProbeError::Grant(_)) => continue,
                Err(error) => panic!("without a fault: {error}"),
            };
            let outcome = use_device(&bench, &mut driver);
            assert!(matches!(outcome, Some(Ok(()))), "without a fault: {outcome:?}");
            let counts = &bench.session.faults.counts;
            let count = |count: &core::sync::atomic::AtomicU64| count.load(Ordering::SeqCst);
            let (reads, interrupts, allocations) =
                (count(&counts.reads), count(&counts.interrupts), count(&counts.allocations));
            drop(driver);
            bench.check_nothing_left();
            let mut faults: Vec<Injected> = Vec::new();
            faults.extend(places(reads, limit).map(|from| Injected::RegistersReadOnes { from }));
            faults.extend(places(reads, limit).map(|from| Injected::Removed { from }));
            faults.extend(places(interrupts, limit).map(|index| Injected::InterruptLost { index }));
            faults.extend(places(interrupts, limit).map(|index| Injected::InterruptTwice { index }));
            faults.extend(places(interrupts, limit).map(|index| Injected::InterruptLate { index }));
            faults.extend(places(allocations, limit).map(|index| Injected::MemoryRefused { index }));
            for fault in faults {
                let context = Context(fault, policy);
                bench = bench.restart(policy);
                bench.run_with(fault, &use_device, &mut report);
                drop(context);
            }
        }
        eprintln!("{}: {report:?}", D::NAME);
        Some(report)
    }
}

impl Bench {
    fn run_with<D: Driver, E: Debug>(
        &self,
        fault: Injected,
        use_device: &impl Fn(&Self, &mut D) -> Option<Result<(), E>>,
        report: &mut InjectionReport,
    ) {
        let presence = self.presence_under_test();
        self.session.faults.set(Some(fault));
        report.faults += 1;
        let must_work = fault.must_work();
        match self.try_attach::<D>() {
            Ok(mut driver) => {
                let outcome = use_device(self, &mut driver);
                assert!(!must_work || matches!(outcome, Some(Ok(()))), "the use ends with {outcome:?}");
                report.errors += usize::from(matches!(outcome, Some(Err(_))));
                let is_found_out = self.is_subject_isolated() || presence.is_some_and(|presence| presence.is_gone());
                report.given_up += usize::from(outcome.is_none() && is_found_out);
                if outcome.is_none() && !is_found_out {
                    let failure = self.session.failed().unwrap_or_default();
                    eprintln!("{}: does not end: {fault:?}, {:?} {failure}", D::NAME, self.policy());
                    report.stuck += 1;
                }
            }
            Err(error) => {
                assert!(!must_work, "the probe fails: {error}");
                report.errors += 1;
            }
        }
        self.session.faults.set(None);
        self.check_freed();
    }

    /// Checks that memory and handlers are freed. A device whose registers read ones was not stopped by its driver, so that an
    /// interrupt may have come later than its handler was removed.
    fn check_freed(&self) {
        assert_eq!(self.session.dma_blocks(), [], "DMA memory that was not freed");
        let handlers = self.machine().interrupt_report();
        assert!(handlers.is_empty(), "handlers that were not removed: {handlers:?}");
    }
}
