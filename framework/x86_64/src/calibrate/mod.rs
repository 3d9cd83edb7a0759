//! Calibration: the frequency of the TSC and of the local APIC timer, measured against a timer of known frequency.
//!
//! A frequency that CPUID reports is used when a timer confirms it, or when there is none: emulators are known to report
//! that of the CPU which they imitate.

mod references;

use super::clock::{self, SECOND_NS};
use super::cpu;
use references::{ACPI_TIMER_HZ, APIC_TIMER_HZ, Hpet, PIT_HZ, acpi_timer, apic_timer, pit, rtc};

/// The duration of a measurement, in nanoseconds. Boot waits for two of them. The error of a pair of readings, a
/// fraction of a microsecond, makes an error of some hundredths of a percent.
const WINDOW_NS: u64 = 1_000_000;
/// Readings in a row without progress after which a counter is taken to be stopped.
const STOPPED_READINGS: u32 = 2_000;
/// Readings after which a measurement is given up.
const MAX_READINGS: u32 = 1_000_000;
/// Attempts at a pair of readings: the host may interrupt an emulator between the two.
const ATTEMPTS: u32 = 8;
/// The frequency that is assumed when none can be measured: time then runs at a wrong speed, but timeouts still end.
const FALLBACK_HZ: u64 = SECOND_NS;

/// The timers that the ACPI tables describe.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct AcpiTimers {
    /// I/O port of the power management timer.
    pub(super) pm_timer: Option<u16>,
    /// Physical address of the HPET's registers.
    pub(super) hpet: Option<u64>,
}

/// Returns the frequency of the TSC in Hz, and its source.
pub(super) fn tsc(timers: AcpiTimers) -> (u64, &'static str) {
    let measure = || measured(timers);
    if let Some(reported) = cpu::tsc_frequency() {
        return checked(reported, measure);
    }
    if let Some((frequency, source)) = measure() {
        return (frequency, source);
    }
    if let Some(frequency) = agreed(rtc) {
        return (frequency, "RTC");
    }
    log::warn!(
        "time: no timer of a known frequency: the TSC is taken to run at {} MHz, and the clock may be five times too \
         fast",
        FALLBACK_HZ / 1_000_000
    );
    (FALLBACK_HZ, "guess")
}

/// Measures the frequency of the TSC against the best of the timers that can be read at any time. Returns `None` when
/// none of them runs.
fn measured(timers: AcpiTimers) -> Option<(u64, &'static str)> {
    let tsc = &mut clock::read_tsc;
    if let Some(frequency) = timers.pm_timer.and_then(|port| frequency(tsc, &mut acpi_timer(port), ACPI_TIMER_HZ)) {
        return Some((frequency, "ACPI timer"));
    }
    let by_hpet = |hpet: Hpet| frequency(&mut clock::read_tsc, &mut hpet.counter(), hpet.frequency());
    if let Some(frequency) = timers.hpet.and_then(Hpet::start).and_then(by_hpet) {
        return Some((frequency, "HPET"));
    }
    if let Some(frequency) = agreed(|| frequency(tsc, &mut pit(), PIT_HZ)) {
        return Some((frequency, "PIT"));
    }
    // The timer's frequency is that of a bus, and QEMU and KVM have given theirs a fixed one.
    let by_apic = || frequency(&mut clock::read_tsc, &mut apic_timer(), APIC_TIMER_HZ);
    cpu::has_known_apic_timer().then(by_apic).flatten().map(|frequency| (frequency, "APIC timer"))
}

/// Returns the frequency that the CPU reports, unless measurements agree on another one.
fn checked(reported: u64, mut measure: impl FnMut() -> Option<(u64, &'static str)>) -> (u64, &'static str) {
    let mut source = "CPUID";
    let confirmed = agreed(|| {
        let (frequency, by) = measure()?;
        source = by;
        // One measurement that confirms the report is enough.
        Some(if is_close(frequency, reported) { reported } else { frequency })
    });
    match confirmed {
        Some(frequency) if frequency != reported => {
            log::warn!(
                "time: CPUID reports a TSC of {} MHz, and by the {source} it runs at {} MHz, which is used",
                reported / 1_000_000,
                frequency / 1_000_000
            );
            (frequency, source)
        }
        _ => (reported, "CPUID"),
    }
}

/// Returns whether two frequencies agree to one percent.
fn is_close(a: u64, b: u64) -> bool {
    a.abs_diff(b) <= b / 100
}

/// Measures until two results in a row agree to one percent, or returns the last one. The PIT wraps 18 times a second:
/// an emulator that its host suspends for longer misses a wrap, and the other counter appears to be faster.
fn agreed(mut measure: impl FnMut() -> Option<u64>) -> Option<u64> {
    let mut last = measure()?;
    for _ in 0..ATTEMPTS {
        let next = measure()?;
        if is_close(next, last) {
            return Some(next);
        }
        last = next;
    }
    Some(last)
}

/// Measures the frequency of `counter` in Hz against `reference`, which runs at `hertz`. Returns `None` when either is
/// stopped.
pub(super) fn frequency(
    counter: &mut dyn FnMut() -> u64,
    reference: &mut dyn FnMut() -> u64,
    hertz: u64,
) -> Option<u64> {
    let window = hertz / (SECOND_NS / WINDOW_NS);
    let (counter_start, start) = pair(counter, reference);
    let (mut last, mut still) = (start, 0);
    for _ in 0..MAX_READINGS {
        let at = reference();
        still = if at == last { still + 1 } else { 0 };
        last = at;
        if at.wrapping_sub(start) >= window || still > STOPPED_READINGS {
            break;
        }
        // An emulator, and a CPU with two threads, do other work meanwhile.
        core::hint::spin_loop();
    }
    let (counter_end, end) = pair(counter, reference);
    let (ticks, reference_ticks) = (counter_end.wrapping_sub(counter_start), end.wrapping_sub(start));
    if reference_ticks < window || ticks == 0 {
        return None;
    }
    u64::try_from(u128::from(ticks) * u128::from(hertz) / u128::from(reference_ticks)).ok()
}

/// Reads both counters at the same time: of several attempts, the one that took the shortest time.
fn pair(counter: &mut dyn FnMut() -> u64, reference: &mut dyn FnMut() -> u64) -> (u64, u64) {
    let tries = (0..ATTEMPTS).map(|_| {
        let before = clock::read_tsc();
        let readings = (counter(), reference());
        (clock::read_tsc().wrapping_sub(before), readings)
    });
    tries.min_by_key(|(duration, _)| *duration).map_or((0, 0), |(_, readings)| readings)
}

#[cfg(test)]
mod tests {
    use core::cell::Cell;

    use super::*;

    #[test]
    fn a_counter_three_times_as_fast() {
        let time = Cell::new(0);
        let tick = || time.replace(time.get() + 1);
        let measured = frequency(&mut || 3 * tick(), &mut || tick(), 10_000_000).unwrap();
        assert!(measured.abs_diff(30_000_000) < 10_000, "{measured}");
    }

    #[test]
    fn a_measurement_without_a_second_that_agrees_does_not_count() {
        let of = |values: &[u64]| {
            let mut values = values.iter().copied();
            agreed(|| values.next())
        };
        assert_eq!(of(&[1000, 1009]), Some(1009));
        assert_eq!(of(&[9000, 1000, 1010]), Some(1010));
        assert_eq!(of(&[1000, 9000, 1000, 6000, 6001]), Some(6001));
        assert_eq!(of(&[1000]), None);
    }

    #[test]
    fn a_reported_frequency_counts_unless_measurements_agree_on_another() {
        let of = |reported, values: &[u64]| {
            let mut values = values.iter().copied();
            checked(reported, || values.next().map(|value| (value, "PIT")))
        };
        assert_eq!(of(2_000_000, &[2_001_000, 2_002_000]), (2_000_000, "CPUID"));
        // Bochs: CPUID reports the imitated CPU's.
        assert_eq!(of(2_000_000, &[50_000, 50_100]), (50_100, "PIT"));
        // The host has interrupted the first measurement.
        assert_eq!(of(2_000_000, &[9_000_000, 2_001_000, 2_001_000]), (2_000_000, "CPUID"));
        assert_eq!(of(2_000_000, &[]), (2_000_000, "CPUID"), "there is no timer");
    }

    #[test]
    fn stopped_counters_are_detected() {
        assert_eq!(frequency(&mut clock::read_tsc, &mut || 0xffff, PIT_HZ), None);
        let mut reference = 0;
        let mut running = || {
            reference += 1;
            reference
        };
        assert_eq!(frequency(&mut || 7, &mut running, PIT_HZ), None);
    }
}
