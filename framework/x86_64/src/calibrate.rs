//! How fast the counters run, measured against one whose frequency is known.

#![expect(unsafe_code, reason = "the ports of the PIT and of the ACPI timer")]

use x86_64::instructions::port::{Port, PortReadOnly};

use super::clock::{self, SECOND};
use super::cpu;

/// How long a measurement lasts, in nanoseconds. The machine waits for it, twice, and does nothing else; what it is wrong by
/// is what a pair of readings is wrong by, a fraction of a microsecond, and so a few hundredths of a hundredth.
const WINDOW: u64 = 1_000_000;
/// Readings in a row without progress before a counter is taken to be dead.
const DEAD: u32 = 2_000;
/// Readings of a window before it is given up.
const LIMIT: u32 = 1_000_000;
/// Tries for a pair of readings; an emulator may be interrupted by its host between the two.
const TRIES: u32 = 8;
/// The PIT's frequency in Hz, and the ACPI power management timer's (ACPI 6.5, 4.8.3.3).
const PIT: u64 = 1_193_182;
const PM_TIMER: u64 = 3_579_545;
/// When nothing can be measured; time then runs at the wrong speed, but runs.
const GUESS: u64 = SECOND;

/// The TSC's frequency in Hz, and who said so.
pub(super) fn tsc(pm_timer: Option<u16>) -> (u64, &'static str) {
    let tsc = &mut clock::read_tsc;
    if let Some(frequency) = cpu::tsc_frequency() {
        return (frequency, "CPUID");
    }
    if let Some(frequency) = pm_timer.and_then(|port| frequency(tsc, &mut acpi_timer(port), PM_TIMER)) {
        return (frequency, "ACPI timer");
    }
    match agreed(|| frequency(tsc, &mut pit(), PIT)) {
        Some(frequency) => (frequency, "PIT"),
        None => (GUESS, "guess"),
    }
}

/// What two measurements in a row agree on, to a hundredth; the last one where none do. The PIT begins anew 18 times a second:
/// an emulator that its host lets wait for longer than that misses a round, and the other counter seems that much faster.
fn agreed(mut measure: impl FnMut() -> Option<u64>) -> Option<u64> {
    let mut last = measure()?;
    for _ in 0..TRIES {
        let next = measure()?;
        if next.abs_diff(last) <= last / 100 {
            return Some(next);
        }
        last = next;
    }
    Some(last)
}

/// The frequency in Hz of `counter`, in ticks of `reference`, which runs at `hertz`; `None` when either stands still.
pub(super) fn frequency(
    counter: &mut dyn FnMut() -> u64,
    reference: &mut dyn FnMut() -> u64,
    hertz: u64,
) -> Option<u64> {
    let window = hertz / (SECOND / WINDOW);
    let (counter_start, start) = pair(counter, reference);
    let (mut last, mut still) = (start, 0);
    for _ in 0..LIMIT {
        let at = reference();
        still = if at == last { still + 1 } else { 0 };
        last = at;
        if at.wrapping_sub(start) >= window || still > DEAD {
            break;
        }
    }
    let (counter_end, end) = pair(counter, reference);
    let (ticks, reference_ticks) = (counter_end.wrapping_sub(counter_start), end.wrapping_sub(start));
    if reference_ticks < window || ticks == 0 {
        return None;
    }
    u64::try_from(u128::from(ticks) * u128::from(hertz) / u128::from(reference_ticks)).ok()
}

/// Both counters at one moment: of a few tries, the one that took the least time.
fn pair(counter: &mut dyn FnMut() -> u64, reference: &mut dyn FnMut() -> u64) -> (u64, u64) {
    let tries = (0..TRIES).map(|_| {
        let before = clock::read_tsc();
        let readings = (counter(), reference());
        (clock::read_tsc().wrapping_sub(before), readings)
    });
    tries.min_by_key(|(duration, _)| *duration).map_or((0, 0), |(_, readings)| readings)
}

/// Starts channel 2 of the PIT and returns a reader of its ticks. It drives nothing but the speaker, which is off.
fn pit() -> impl FnMut() -> u64 {
    let (mut command, mut data, mut gate) = (Port::<u8>::new(0x43), Port::<u8>::new(0x42), Port::<u8>::new(0x61));
    // SAFETY: port 0x61 has the gate of channel 2 (bit 0) and the speaker (bit 1), and its parity bits stay.
    let control = unsafe { gate.read() };
    // SAFETY: as above.
    unsafe { gate.write(control & !2 | 1) };
    // SAFETY: channel 2 is ours: counting down from 65,536 over and over (mode 2), low byte first.
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

/// A reader of the ACPI timer's ticks: 24 bits that count up.
fn acpi_timer(port: u16) -> impl FnMut() -> u64 {
    let mut port = PortReadOnly::<u32>::new(port);
    let (mut last, mut total) = (None, 0);
    move || {
        // SAFETY: firmware says that the timer is there; reading it changes nothing.
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
    fn a_measurement_that_stands_alone_does_not_count() {
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
    fn dead_counters_are_noticed() {
        assert_eq!(frequency(&mut clock::read_tsc, &mut || 0xffff, PIT), None);
        let mut reference = 0;
        let mut running = || {
            reference += 1;
            reference
        };
        assert_eq!(frequency(&mut || 7, &mut running, PIT), None);
    }
}
