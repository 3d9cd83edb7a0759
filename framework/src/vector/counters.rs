//! Counters of one registered handler, and their report.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;

use super::activity::Activity;
use super::block::VectorBlock;
use super::cpu::{Cpu, Cpus};
use super::watch::WatchReport;
use crate::config::Address;
use crate::platform::{Gsi, Mode, Vector};
use crate::sync::primitives::{AtomicU32, AtomicU64, AtomicUsize, Ordering};

/// Returns the activity that a handler's context shows. Called from a task, with interrupts disabled.
pub(crate) type ShowActivity = Box<dyn Fn() -> Activity + Send + Sync>;

/// The counters of one registered handler, and what identifies it in the report.
pub(crate) struct InterruptCounters {
    cpus: &'static Cpus,
    /// The number of the CPU, and in the low byte that of the vector.
    place: AtomicUsize,
    pub(crate) mode: Mode,
    pub(crate) function: Address,
    pub(crate) driver: &'static str,
    pub(crate) names: Vec<&'static str>,
    pub(crate) gsi: Option<Gsi>,
    count: AtomicU64,
    unclaimed: AtomicU64,
    masked_while_pending: AtomicU64,
    longest_ticks: AtomicU32,
    activity: ShowActivity,
}

impl InterruptCounters {
    /// Returns counters that are zero, of a handler without a vector; see [`set_place`](Self::set_place).
    pub(crate) fn new(
        cpus: &'static Cpus,
        function: Address,
        driver: &'static str,
        mode: Mode,
        gsi: Option<Gsi>,
        names: Vec<&'static str>,
        activity: ShowActivity,
    ) -> Self {
        Self {
            cpus,
            place: AtomicUsize::new(0),
            mode,
            function,
            driver,
            names,
            gsi,
            count: AtomicU64::new(0),
            unclaimed: AtomicU64::new(0),
            masked_while_pending: AtomicU64::new(0),
            longest_ticks: AtomicU32::new(0),
            activity,
        }
    }

    /// Records the vector that calls the handler, which is in no slot: what runs it is then always that CPU.
    pub(crate) fn set_place(&self, block: &VectorBlock, index: usize) {
        let (cpu, number) = (block.cpu().number(), block.vector(index).number());
        self.place.store(cpu << 8 | usize::from(number), Ordering::SeqCst);
    }

    /// Returns the CPU whose vector calls the handler.
    #[inline]
    pub(crate) fn cpu(&self) -> Cpu {
        self.cpus.get(self.place.load(Ordering::SeqCst) >> 8)
    }

    /// Returns the vector that calls the handler.
    pub(crate) fn vector(&self) -> Vector {
        Vector::new(self.cpu().table().id(), self.place.load(Ordering::SeqCst).to_le_bytes()[0])
    }

    /// Counts a call. Only the vector's CPU writes, so no locked increment is needed.
    #[inline]
    pub(crate) fn count_call(&self) {
        self.count.store(self.count.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }

    /// Counts a call that the handler did not claim.
    #[inline]
    pub(crate) fn count_unclaimed(&self) {
        self.unclaimed.store(self.unclaimed.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }

    /// Records the duration of a call, in ticks. Only the vector's CPU writes.
    #[inline]
    pub(crate) fn record_duration(&self, ticks: u32) {
        if ticks > self.longest_ticks.load(Ordering::Relaxed) {
            self.longest_ticks.store(ticks, Ordering::Relaxed);
        }
    }

    /// Counts an unmask that found the message pending.
    pub(crate) fn count_masked_while_pending(&self) {
        self.masked_while_pending.fetch_add(1, Ordering::Relaxed);
    }

    /// Returns the number of calls that the handler claimed.
    pub(super) fn claimed(&self) -> u64 {
        self.count.load(Ordering::Relaxed).saturating_sub(self.unclaimed.load(Ordering::Relaxed))
    }

    /// Returns the activity that the handler's context shows.
    pub(super) fn activity(&self) -> Activity {
        (self.activity)()
    }

    pub(super) fn report(&self, watch: WatchReport) -> InterruptReport {
        InterruptReport {
            vector: self.vector(),
            cpu: self.cpu(),
            mode: self.mode,
            function: self.function,
            driver: self.driver,
            names: self.names.clone(),
            gsi: self.gsi,
            count: self.count.load(Ordering::Relaxed),
            unclaimed: self.unclaimed.load(Ordering::Relaxed),
            masked_while_pending: self.masked_while_pending.load(Ordering::Relaxed),
            longest_ticks: self.longest_ticks.load(Ordering::Relaxed),
            is_polled: watch.is_polled,
            polled: watch.polled,
            stalled: watch.stalled,
        }
    }
}

impl fmt::Debug for InterruptCounters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { function, driver, names, .. } = self;
        f.debug_struct("InterruptCounters")
            .field("function", function)
            .field("driver", driver)
            .field("names", names)
            .finish_non_exhaustive()
    }
}

/// The counters of one registered handler: one row of [`Machine::interrupt_report`](crate::machine::Machine::interrupt_report).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct InterruptReport {
    /// The vector that calls the handler.
    pub vector: Vector,
    /// The CPU that the vector belongs to.
    pub cpu: Cpu,
    /// The interrupt mode of the function.
    pub mode: Mode,
    /// The function.
    pub function: Address,
    /// The name of the driver.
    pub driver: &'static str,
    /// The messages that the vector serves (several when they are folded), or `line` for a line.
    pub names: Vec<&'static str>,
    /// The global system interrupt, for a line.
    pub gsi: Option<Gsi>,
    /// The number of calls.
    pub count: u64,
    /// The number of calls that the handler did not claim.
    pub unclaimed: u64,
    /// The number of times that the message was pending when it was unmasked.
    pub masked_while_pending: u64,
    /// The duration of the longest call, in ticks of the time stamp counter. For a line: of all its handlers together.
    pub longest_ticks: u32,
    /// Interrupts do not arrive: the handler is called at short intervals while the device has something to report.
    pub is_polled: bool,
    /// The number of calls that were made in place of an interrupt.
    pub polled: u64,
    /// The number of requests in flight, if none was finished for at least five seconds.
    pub stalled: Option<u32>,
}

impl InterruptReport {
    /// Returns the number of calls that the handler claimed.
    #[must_use]
    pub fn claimed(&self) -> u64 {
        self.count.saturating_sub(self.unclaimed)
    }

    /// Returns the number of calls that served several messages at once: all calls when messages share the vector, else 0.
    #[must_use]
    pub fn folded(&self) -> u64 {
        if self.names.len() > 1 { self.count } else { 0 }
    }
}
