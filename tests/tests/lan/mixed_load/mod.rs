//! Honest clients beside hostile ones, for a minute by default: `make test-hostile HOSTILE_TIME=3600` for an hour.
//!
//! Quiet windows alternate with mixed ones, and each mixed window is compared with the quiet ones before and after it: what
//! else the host does changes from minute to minute, and affects neighbours alike. Where other processes took much more of
//! one of the three than of the quietest window, or much at all, the comparison is disturbed, and not judged.

mod clients;
mod host;

use core::time::Duration;
use std::env;
use std::time::Instant;

use switchboard_tests::lan::Lan;

use crate::seconds;
use clients::{Figures, run};

/// Durations of a window of honest clients alone, of one with hostile ones too, and of the pause after it, in which the guest
/// answers what it has received.
const QUIET: Duration = seconds(10);
const MIXED: Duration = seconds(20);
const PAUSE: Duration = seconds(1);
/// How long the guest keeps downloads of hosts that have vanished: memory is flat only after that.
const HELD: Duration = seconds(300);
/// Mixed windows of a hundred that may be slower than twice the quiet ones.
const SLOW_WINDOWS_PERCENT: usize = 5;
/// The share of a window that other processes of the host may take beyond what they take of the quietest one.
const MAX_TAKEN: f64 = 0.04;
/// The share that they may take at all: on a busier host, nothing is judged.
const MAX_TAKEN_AT_ALL: f64 = 0.15;
/// Comparisons of a hundred that have to be undisturbed.
const MIN_JUDGED_PERCENT: usize = 30;

/// What is known after a window.
struct Window {
    latencies: Vec<u64>,
    lost: Vec<String>,
    hostile_frames: u64,
    /// The share that other processes of the host took.
    taken: f64,
    heap_bytes: f64,
    resident_bytes: u64,
}

impl Window {
    fn run(lan: &Lan, time: Duration, is_mixed: bool) -> Self {
        let Figures { latencies, lost, hostile_frames, taken } = run(lan, time, is_mixed);
        if is_mixed {
            lan.sleep(PAUSE);
        }
        Self {
            latencies: latencies.into_inner().expect("not poisoned"),
            lost: lost.into_inner().expect("not poisoned"),
            hostile_frames: hostile_frames.into_inner(),
            taken,
            heap_bytes: lan.heap_bytes(),
            resident_bytes: lan.guest.resident_bytes(),
        }
    }
}

/// Returns the latency below which so many of a thousand requests stayed.
fn per_mille(share: usize, latencies: &[&[u64]]) -> Duration {
    let mut latencies = latencies.concat();
    latencies.sort_unstable();
    let place = latencies.len() * share / 1000;
    Duration::from_micros(latencies[place.min(latencies.len() - 1)])
}

/// A mixed window beside the quiet ones around it.
struct Comparison {
    /// Of the 99th percentiles.
    ratio: f64,
    /// The largest share of the three windows that other processes took.
    taken: f64,
}

/// Prints a mixed window beside the quiet ones around it.
fn compare(at: Duration, before: &Window, mixed: &Window, after: &Window) -> Comparison {
    let quiet = [&*before.latencies, &*after.latencies];
    let (p50, p99) = (per_mille(500, &[&mixed.latencies]), per_mille(990, &[&mixed.latencies]));
    let (quiet_p50, quiet_p99) = (per_mille(500, &quiet), per_mille(990, &quiet));
    let ratio = p99.as_secs_f64() / quiet_p99.as_secs_f64();
    let taken = before.taken.max(mixed.taken).max(after.taken);
    let lost: usize = [before, mixed, after].iter().map(|window| window.lost.len()).sum();
    eprintln!(
        "{at:5.0?}: {} honest requests, p50 {p50:.1?}, p99 {p99:.1?}; quiet: {} requests, p50 {quiet_p50:.1?}, \
        p99 {quiet_p99:.1?}; ratio {ratio:.2}; others took {:.1}, {:.1}, {:.1} %; {lost} lost; {} hostile frames; \
        heap {:.0} KiB, resident {} KiB",
        mixed.latencies.len(),
        before.latencies.len() + after.latencies.len(),
        before.taken * 100.0,
        mixed.taken * 100.0,
        after.taken * 100.0,
        mixed.hostile_frames,
        mixed.heap_bytes / 1024.0,
        mixed.resident_bytes / 1024,
    );
    Comparison { ratio, taken }
}

/// Checks that honest clients are not slowed down by hostile ones, in the comparisons that other processes of the host did not
/// disturb: `quietest` is the smallest share that they took of a window.
fn judge(comparisons: &[Comparison], quietest: f64) {
    let limit = (quietest + MAX_TAKEN).min(MAX_TAKEN_AT_ALL);
    let judged = comparisons.iter().filter(|comparison| comparison.taken <= limit);
    let mut ratios: Vec<f64> = judged.map(|comparison| comparison.ratio).collect();
    let wanted = (comparisons.len() * MIN_JUDGED_PERCENT).div_ceil(100);
    let disturbed = comparisons.len() - ratios.len();
    eprintln!(
        "{disturbed} of {} comparisons are disturbed: others took over {:.1} %, {:.1} % of the quietest window",
        comparisons.len(),
        limit * 100.0,
        quietest * 100.0
    );
    assert!(
        ratios.len() >= wanted,
        "the host was too busy for a verdict: {} comparisons are undisturbed, {wanted} are wanted",
        ratios.len()
    );
    ratios.sort_by(f64::total_cmp);
    let (median, slow) = (ratios[ratios.len() / 2], ratios.iter().filter(|ratio| **ratio > 2.0).count());
    eprintln!(
        "p99 to the quiet windows beside: median {median:.2}, most {:.2}; {slow} of {} above 2",
        ratios[ratios.len() - 1],
        ratios.len()
    );
    assert!(median <= 2.0, "honest clients are {median:.2} times slower beside hostile ones: {ratios:?}");
    // In a short run, one.
    let tolerated = (ratios.len() * SLOW_WINDOWS_PERCENT).div_ceil(100);
    assert!(slow <= tolerated, "{slow} of {} comparisons are above 2: {ratios:?}", ratios.len());
}

/// Checks that the second half of a run took no more of something than the first, but for a quarter and `slack`.
fn assert_flat(what: &str, values: &[f64], slack: f64) {
    let (first, second) = values.split_at(values.len().div_ceil(2));
    if second.is_empty() {
        return eprintln!("{what}: not judged, the run is shorter than {HELD:?} and two windows");
    }
    let most = |values: &[f64]| values.iter().copied().fold(0.0, f64::max);
    eprintln!("{what}: at most {:.0}, then {:.0} bytes", most(first), most(second));
    assert!(most(second) < most(first) * 1.25 + slack, "{what} grows: {values:?}");
}

#[test]
#[ignore = "make test-hostile"]
fn honest_clients_beside_hostile_ones() {
    let time = env::var("HOSTILE_TIME").ok().and_then(|time| time.parse().ok()).map_or(seconds(60), seconds);
    let limit = time + seconds(700);
    let lan = Lan::start("10.0.0.1/24,10.0.0.254", |qemu| qemu.limit(limit).option("services=all"));
    drop(run(&lan, seconds(5), false));
    let heap_before = lan.heap_bytes();
    let start = Instant::now();
    let mut quiet = Window::run(&lan, QUIET, false);
    let (mut comparisons, mut heaps, mut resident, mut lost) = (Vec::new(), Vec::new(), Vec::new(), quiet.lost.clone());
    let (mut requests, mut quietest) = (quiet.latencies.len(), quiet.taken);
    while start.elapsed() < time {
        let mixed = Window::run(&lan, MIXED, true);
        let after = Window::run(&lan, QUIET, false);
        comparisons.push(compare(start.elapsed(), &quiet, &mixed, &after));
        quietest = quietest.min(after.taken);
        if start.elapsed() > HELD {
            heaps.push(mixed.heap_bytes);
            #[expect(clippy::cast_precision_loss, reason = "memory is far below 2^52 bytes")]
            resident.push(mixed.resident_bytes as f64);
        }
        requests += mixed.latencies.len() + after.latencies.len();
        lost.extend(mixed.lost.iter().chain(&after.lost).cloned());
        quiet = after;
    }
    eprintln!("{requests} honest requests, {} lost", lost.len());
    // All that was held comes back, at the latest when the connections of hosts that have vanished end: downloads that such a
    // host does not read may take 300 seconds.
    let (end, mut heap) = (Instant::now(), lan.heap_bytes());
    while end.elapsed() < seconds(360) && heap >= heap_before + 1_500_000.0 {
        lan.sleep(seconds(10));
        heap = lan.heap_bytes();
    }
    eprintln!("heap: {heap_before:.0} bytes before, {heap:.0} {:.0?} after the end", end.elapsed());
    assert!(lost.is_empty(), "{} requests were lost, as {:?}", lost.len(), &lost[..lost.len().min(5)]);
    // What is held is bounded.
    assert_flat("heap", &heaps, 1_000_000.0);
    assert_flat("resident memory of QEMU", &resident, 4_000_000.0);
    assert!(
        heap < heap_before + 1_500_000.0,
        "the heap was {heap_before} bytes before and is {heap} six minutes after"
    );
    lan.assert_few_warnings(100 + usize::try_from(time.as_secs()).expect("64 bits"));
    judge(&comparisons, quietest);
}
