//! Calibration: the frequency of the TSC and of the local APIC timer, measured against a timer of known frequency.

#![expect(unsafe_code, reason = "the ports of the PIT and of the ACPI timer")]

use x86_64::instructions::port::{Port, PortReadOnly};

use super::clock::{self, SECOND_NS};
use super::cpu;

/// The duration of a measurement, in nanoseconds. Boot waits for two of them. The error of a pair of readings, a
/// fraction of a microsecond, makes an error of some hundredths of a percent.
const WINDOW_NS: u64 = 1_000_000;
/// Readings in a row without progress after which a counter is taken to be stopped.
const STOPPED_READINGS: u32 = 2_000;
/// Readings after which a measurement is given up.
const MAX_READINGS: u32 = 1_000_000;
/// Attempts at a pair of readings: the host may interrupt an emulator between the two.
const ATTEMPTS: u32 = 8;
/// The frequencies of the PIT and of the ACPI power management timer, in Hz (ACPI 6.5, 4.8.3.3).
const PIT_HZ: u64 = 1_193_182;
const PM_TIMER_HZ: u64 = 3_579_545;
/// The frequency that is assumed when none can be measured: time then runs at a wrong speed, but timeouts still end.
const FALLBACK_HZ: u64 = SECOND_NS;

/// Returns the frequency of the TSC in Hz, and its source.
pub(super) fn tsc(pm_timer: Option<u16>) -> (u64, &'static str) {
    let tsc = &mut clock::read_tsc;
    if let Some(frequency) = cpu::tsc_frequency() {
        return (frequency, "CPUID");
    }
    if let Some(frequency) = pm_timer.and_then(|port| frequency(tsc, &mut acpi_timer(port), PM_TIMER_HZ)) {
        return (frequency, "ACPI timer");
    }
    match agreed(|| frequency(tsc, &mut pit(), PIT_HZ)) {
        Some(frequency) => (frequency, "PIT"),
        None => (FALLBACK_HZ, "guess"),
    }
}

/// Measures until two results in a row agree to one percent, or returns the last one. The PIT wraps 18 times a second:
/// an emulator that its host suspends for longer misses a wrap, and the other counter appears to be faster.
fn agreed(mut measure: impl FnMut() -> Option<u64>) -> Option<u64> {
    let mut last = measure()?;
    for _ in 0..ATTEMPTS {
        let next = measure()?;
        if next.abs_diff(last) <= last / 100 {
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

/// Starts channel 2 of the PIT, which is otherwise used by the speaker alone, and returns a reader of its ticks.
fn pit() -> impl FnMut() -> u64 {
    let (mut command, mut data, mut gate) = (Port::<u8>::new(0x43), Port::<u8>::new(0x42), Port::<u8>::new(0x61));
    // SAFETY: port 0x61 has the gate of channel 2 (bit 0) and the speaker (bit 1), and its parity bits stay.
    let control = unsafe { gate.read() };
    // SAFETY: as above.
    unsafe { gate.write(control & !2 | 1) };
    // SAFETY: channel 2 has no other user: counting down from 65,536 over and over (mode 2), low byte first.
    unsafe { command.write(0b1011_0100) };
    for _ in 0..2 {
        // SAFETY: as above.
        unsafe { data.write(0) };
    }
    let (mut last, mut total) = (0u16, 0);
    move || {
        // SAFETY: latches channel 2.
        unsafe { command.write(0b1000_0000) };
        // SAFETY: reads what was latched.
        let low = unsafe { data.read() };
        // SAFETY: as above.
        let high = unsafe { data.read() };
        let count = u16::from_le_bytes([low, high]);
        total += u64::from(last.wrapping_sub(count));
        last = count;
        total
    }
}

/// Returns a reader of the ACPI timer's ticks: 24 bits that count up.
fn acpi_timer(port: u16) -> impl FnMut() -> u64 {
    let mut port = PortReadOnly::<u32>::new(port);
    let (mut last, mut total) = (None, 0);
    move || {
        // SAFETY: firmware reports the timer; reading it has no side effect.
        let count = unsafe { port.read() } & 0xff_ffff;
        total += u64::from(count.wrapping_sub(last.unwrap_or(count)) & 0xff_ffff);
        last = Some(count);
        total
    }
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
