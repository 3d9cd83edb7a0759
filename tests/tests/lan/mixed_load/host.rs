//! What other processes of the host take from a window: how long QEMU and this process wait for a CPU because of them.

use std::time::Instant;
use std::{fs, process};

/// Of a second, as `/proc/stat` counts it.
const TICK_SECONDS: f64 = 0.01;

/// Times since the start of the host, in seconds, summed over threads or CPUs.
#[derive(Clone, Copy)]
pub(super) struct HostTimes {
    at: Instant,
    /// In which QEMU's and this process's threads were ready and had no CPU; `None` where the kernel does not count it.
    waited: Option<f64>,
    /// In which they had one.
    own: f64,
    /// In which any process had one.
    all: f64,
    /// In which the host itself waited for its hypervisor.
    stolen: f64,
}

impl HostTimes {
    /// Returns the times up to now.
    pub(super) fn now(qemu: u32) -> Self {
        let processes = [qemu, process::id()];
        let cpu = fs::read_to_string("/proc/stat").unwrap_or_default();
        // User, nice, system, idle, I/O wait, interrupts, soft interrupts, stolen (proc_stat(5)).
        let ticks: Vec<f64> =
            cpu.split_ascii_whitespace().skip(1).take(8).filter_map(|tick| tick.parse().ok()).collect();
        let seconds = |index: usize| ticks.get(index).copied().unwrap_or_default() * TICK_SECONDS;
        Self {
            at: Instant::now(),
            waited: processes.into_iter().map(waited_seconds).sum(),
            own: processes.into_iter().map(cpu_seconds).sum(),
            all: seconds(0) + seconds(1) + seconds(2),
            stolen: seconds(7),
        }
    }

    /// Returns the share of the time since `earlier` that others took: that in which threads of QEMU or of this process
    /// waited, but no more than others were running, so that what these threads wait for each other does not count; and
    /// what was stolen.
    pub(super) fn taken_since(&self, earlier: &Self) -> f64 {
        let others = ((self.all - earlier.all) - (self.own - earlier.own)).max(0.0);
        let waited = self.waited.zip(earlier.waited).map_or(others, |(now, then)| (now - then).max(0.0));
        let stolen = (self.stolen - earlier.stolen).max(0.0);
        (waited.min(others) + stolen) / self.at.duration_since(earlier.at).as_secs_f64()
    }
}

/// Returns how long the threads of a process that exist now have waited for a CPU (the second value of `schedstat`).
fn waited_seconds(process: u32) -> Option<f64> {
    let threads = fs::read_dir(format!("/proc/{process}/task")).ok()?;
    let waited = threads.flatten().map(|thread| {
        // A thread may end meanwhile.
        let times = fs::read_to_string(thread.path().join("schedstat")).ok()?;
        times.split_ascii_whitespace().nth(1)?.parse::<f64>().ok()
    });
    let waited: Vec<f64> = waited.flatten().collect();
    (!waited.is_empty()).then(|| waited.iter().sum::<f64>() / 1e9)
}

/// Returns how long a process has had a CPU, with its threads that have ended.
fn cpu_seconds(process: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    // The name, which is in parentheses, may contain blanks; after it, user and system time are the 12th and 13th value.
    let values = stat.rsplit_once(')').map_or("", |(_, values)| values);
    let ticks = values.split_ascii_whitespace().skip(11).take(2).filter_map(|tick| tick.parse::<f64>().ok());
    ticks.sum::<f64>() * TICK_SECONDS
}

#[test]
fn times_of_a_busy_process_are_its_own() {
    let before = HostTimes::now(process::id());
    let busy_since = cpu_seconds(process::id());
    let start = Instant::now();
    while cpu_seconds(process::id()) < busy_since + 0.2 && start.elapsed().as_secs() < 20 {}
    let after = HostTimes::now(process::id());
    // Counted twice, as QEMU and as this process.
    assert!(after.own - before.own > 0.35, "{} s", after.own - before.own);
    assert!(after.all - before.all > 0.15, "{} s", after.all - before.all);
    assert!((0.0..=128.0).contains(&after.taken_since(&before)));
}
