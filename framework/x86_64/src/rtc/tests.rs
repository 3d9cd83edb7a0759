//! Tests of the real-time clock: encodings, tearing, and its absence.

use super::*;

const CENTURY_REGISTER: u8 = 0x32;
const EXPECTED: RtcTime = RtcTime { year: 2026, month: 11, day: 27, hour: 23, minute: 59, second: 58 };

/// Reads a clock with these registers: second, minute, hour, day, month, year, century.
fn read(registers: Raw, status_b: u8, century: u8) -> Option<RtcTime> {
    read_time(|register| value(registers, status_b, register), century)
}

fn value(registers: Raw, status_b: u8, register: u8) -> u8 {
    let [second, minute, hour, day, month, year, century] = registers;
    match register {
        SECONDS => second,
        MINUTES => minute,
        HOURS => hour,
        DAY => day,
        MONTH => month,
        YEAR => year,
        CENTURY_REGISTER => century,
        STATUS_B => status_b,
        _ => 0,
    }
}

#[test]
fn every_encoding_is_read() {
    let decimal = [0x58, 0x59, 0x23, 0x27, 0x11, 0x26, 0x20];
    let binary = [58, 59, 23, 27, 11, 26, 20];
    assert_eq!(read(decimal, HOURS_24, CENTURY_REGISTER), Some(EXPECTED));
    assert_eq!(read(binary, HOURS_24 | BINARY, CENTURY_REGISTER), Some(EXPECTED));
    let [second, minute, _, day, month, year, century] = decimal;
    let afternoon = [second, minute, 0x11 | AFTERNOON, day, month, year, century];
    assert_eq!(read(afternoon, 0, CENTURY_REGISTER), Some(EXPECTED));
}

#[test]
fn noon_and_midnight_are_12() {
    for (hour, expected) in [(0x12, 0), (0x12 | AFTERNOON, 12), (0x01, 1), (0x01 | AFTERNOON, 13)] {
        let time = read([0, 0, hour, 1, 1, 0x26, 0], 0, 0);
        assert_eq!(time.map(|time| time.hour), Some(expected), "{hour:#x}");
    }
    assert_eq!(read([0, 0, 0, 1, 1, 0x26, 0], 0, 0), None, "there is no hour 0 of 12");
}

#[test]
fn the_century_is_guessed_without_its_register() {
    for (year, expected) in [(0x26, 2026), (0x69, 2069), (0x70, 1970), (0x99, 1999)] {
        let time = read([0, 0, 0, 1, 1, year, 0xff], HOURS_24, 0);
        assert_eq!(time.map(|time| time.year), Some(expected));
    }
    let wrong = read([0, 0, 0, 1, 1, 0x26, 0xff], HOURS_24, CENTURY_REGISTER);
    assert_eq!(wrong.map(|time| time.year), Some(2026));
}

#[test]
fn a_missing_clock_has_no_time() {
    assert_eq!(read_time(|_| 0xff, CENTURY_REGISTER), None);
    assert_eq!(read_time(|_| 0, CENTURY_REGISTER), None);
}

#[test]
fn an_update_that_does_not_end_is_given_up() {
    assert_eq!(read_time(|register| if register == STATUS_A { UPDATE_IN_PROGRESS } else { 0 }, 0), None);
}

#[test]
fn a_reading_is_never_half_old_and_half_new() {
    let (before, after) = ([0x59, 0x59, 0x23, 0x31, 0x12, 0x26, 0x20], [0, 0, 0, 1, 1, 0x27, 0x20]);
    let expected = RtcTime { year: 2027, month: 1, day: 1, hour: 0, minute: 0, second: 0 };
    // The update comes after each number of register reads in turn.
    for update_at in 3..11 {
        let mut reads = 0;
        let time = read_time(
            |register| {
                reads += 1;
                value(if reads < update_at { before } else { after }, HOURS_24, register)
            },
            CENTURY_REGISTER,
        );
        assert_eq!(time, Some(expected), "updated at read {update_at}");
    }
}

#[test]
fn values_that_no_clock_has_are_refused() {
    for raw in [
        [0x7a, 0, 0, 1, 1, 0x26, 0],
        [0, 0x60, 0, 1, 1, 0x26, 0],
        [0, 0, 0x24, 1, 1, 0x26, 0],
        [0, 0, 0, 0, 1, 0x26, 0],
        [0, 0, 0, 1, 0x13, 0x26, 0],
        [0, 0, 0, 1, 1, 0xa0, 0],
    ] {
        assert_eq!(read(raw, HOURS_24, 0), None, "{raw:x?}");
    }
}
