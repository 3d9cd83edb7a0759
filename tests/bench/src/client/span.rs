//! How long to measure, and the CPU time of QEMU meanwhile.

use core::time::Duration;

use nix::time::ClockId;
use nix::unistd::Pid;

/// The clock of the CPU time of a process, with all its threads.
#[derive(Debug, Clone, Copy)]
pub struct CpuClock(ClockId);

impl CpuClock {
    /// Returns the clock of a process; `None` if it has ended.
    #[must_use]
    pub fn of(process: Pid) -> Option<Self> {
        ClockId::pid_cpu_clock_id(process).ok().map(Self)
    }

    /// Returns the CPU time that the process has had; `None` if it has ended.
    #[must_use]
    pub fn now(self) -> Option<Duration> {
        self.0.now().ok().map(Duration::from)
    }
}

/// How long to measure, and whose CPU time beside.
///
/// A number of seconds is one without a clock.
#[derive(Debug, Clone, Copy)]
pub struct Span {
    pub(super) duration: Duration,
    clock: Option<CpuClock>,
}

impl Span {
    /// Returns a span of so many seconds.
    #[must_use]
    pub fn new(seconds: f64, clock: Option<CpuClock>) -> Self {
        Self { duration: Duration::from_secs_f64(seconds), clock }
    }

    pub(super) fn cpu_time(self) -> Option<Duration> {
        self.clock?.now()
    }
}

impl From<f64> for Span {
    fn from(seconds: f64) -> Self {
        Self::new(seconds, None)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn the_cpu_time_of_a_process_grows_by_its_work() {
        let clock = CpuClock::of(Pid::this()).expect("this process");
        let (before, start) = (clock.now().expect("a time"), Instant::now());
        while clock.now().expect("a time") < before + Duration::from_millis(5) {
            assert!(start.elapsed() < Duration::from_secs(60), "no CPU time in a minute of work");
        }
    }
}
