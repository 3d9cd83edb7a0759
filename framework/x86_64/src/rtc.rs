//! The real-time clock (RTC) of a PC: the battery-backed calendar behind ports 0x70 and 0x71 (MC146818, and its
//! successors in every chipset).

#![expect(unsafe_code, reason = "port I/O")]

use core::sync::atomic::{AtomicU8, Ordering};

use switchboard::sync::IrqLock;
use x86_64::instructions::port::Port;

/// The port that selects a register. Its bit 7 masks non-maskable interrupts, and stays clear.
const INDEX: u16 = 0x70;
/// The port of the selected register.
const DATA: u16 = 0x71;

const SECONDS: u8 = 0x00;
const MINUTES: u8 = 0x02;
const HOURS: u8 = 0x04;
const DAY: u8 = 0x07;
const MONTH: u8 = 0x08;
const YEAR: u8 = 0x09;
const STATUS_A: u8 = 0x0a;
const STATUS_B: u8 = 0x0b;
const STATUS_C: u8 = 0x0c;

/// Status A: the rate of the periodic flag; 12 is 16 Hz.
const RATE: u8 = 0xf;
const RATE_16_HZ: u8 = 12;
/// Status B: the periodic interrupt is enabled. Status C: its flag, which is cleared by reading.
const PERIODIC: u8 = 1 << 6;

/// Status A: the registers are about to change, or changing.
const UPDATE_IN_PROGRESS: u8 = 1 << 7;
/// Status B: updates are stopped while the clock is being set.
const SET: u8 = 1 << 7;
/// Status B: values are binary, not binary-coded decimal.
const BINARY: u8 = 1 << 2;
/// Status B: hours are 0 to 23, not 1 to 12 with a bit for the afternoon.
const HOURS_24: u8 = 1 << 1;
/// The bit of the hour for the afternoon, when hours are 1 to 12.
const AFTERNOON: u8 = 1 << 7;

/// Reads of status A before the clock counts as broken. An update takes 2 ms at most, and a port read about a
/// microsecond.
const UPDATE_RETRIES: u32 = 20_000;
/// Attempts to read the calendar twice alike. It changes once a second.
const READ_RETRIES: u32 = 4;

/// Two ports are one access: one lock guards both.
static PORTS: IrqLock<()> = IrqLock::new(());
/// The register of the century, from the FADT; 0 for none.
static CENTURY: AtomicU8 = AtomicU8::new(0);

/// The date and the time that a real-time clock has. Fields are not checked against each other: a clock whose battery
/// was empty may have a 31st of February.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RtcTime {
    /// The year, with its century.
    pub year: u16,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
    /// 0 to 59, or 60 in a leap second.
    pub second: u8,
}

/// Sets the register of the century, as the FADT has it.
pub(super) fn init(century: Option<u8>) {
    CENTURY.store(century.unwrap_or(0), Ordering::Relaxed);
}

/// Reads the real-time clock, to the second; `None` without one (QEMU's microvm by default), or when it stands still
/// in the middle of an update.
///
/// ```no_run
/// let time = switchboard_x86_64::real_time_clock().expect("this machine has a clock");
/// assert!(time.year >= 2026);
/// ```
#[must_use]
pub fn real_time_clock() -> Option<RtcTime> {
    read_time(read_register, CENTURY.load(Ordering::Relaxed))
}

fn read_register(register: u8) -> u8 {
    let _ports = PORTS.lock();
    // SAFETY: selecting a register of the clock has no effect on memory, and bit 7 leaves NMIs as they are at boot.
    unsafe { Port::<u8>::new(INDEX).write(register) };
    // SAFETY: the registers that are read here have no side effects.
    unsafe { Port::<u8>::new(DATA).read() }
}

fn write_register(register: u8, value: u8) {
    let _ports = PORTS.lock();
    // SAFETY: as above.
    unsafe { Port::<u8>::new(INDEX).write(register) };
    // SAFETY: only status A and B are written, with the periodic flag's rate and enable: the clock's interrupt is masked.
    unsafe { Port::<u8>::new(DATA).write(value) };
}

/// The periodic flag of the clock while it is raised 16 times a second, for calibration. The rate is low, since an emulator
/// that a busy host delays by more than a period leaves out the flags that are overdue. Dropping this restores the clock.
#[derive(Debug)]
pub(super) struct Periodic {
    status_a: u8,
    status_b: u8,
}

impl Periodic {
    /// How often the flag is raised, in Hz.
    pub(super) const HZ: u64 = 16;
    /// Reads of status C before the flag is taken to be stuck. A read takes a microsecond, and a period 62,500.
    const RETRIES: u32 = 1_000_000;

    /// Starts the flag; `None` without a clock, where every register reads as ones.
    pub(super) fn start() -> Option<Self> {
        let (status_a, status_b) = (read_register(STATUS_A), read_register(STATUS_B));
        if status_b & SET != 0 {
            return None;
        }
        write_register(STATUS_A, status_a & !RATE | RATE_16_HZ);
        // Some clocks raise the flag only while its interrupt is enabled. That interrupt is masked.
        write_register(STATUS_B, status_b | PERIODIC);
        Some(Self { status_a, status_b })
    }

    /// Waits for the flag, and clears it.
    pub(super) fn wait() -> Option<()> {
        (0..Self::RETRIES).find(|_| read_register(STATUS_C) & PERIODIC != 0).map(|_| ())
    }
}

impl Drop for Periodic {
    fn drop(&mut self) {
        write_register(STATUS_B, self.status_b);
        write_register(STATUS_A, self.status_a);
        // Reading status C clears a flag that was raised meanwhile.
        read_register(STATUS_C);
    }
}

/// The registers as they were read.
type Raw = [u8; 7];

/// Reads by `read`, until two readings between updates are alike: then none is half old and half new.
fn read_time(mut read: impl FnMut(u8) -> u8, century: u8) -> Option<RtcTime> {
    let status = read(STATUS_B);
    // Without a clock, every register reads as ones; a clock that is being set has no time.
    if status & SET != 0 {
        return None;
    }
    let mut snapshot = || -> Option<Raw> {
        (0..UPDATE_RETRIES).find(|_| read(STATUS_A) & UPDATE_IN_PROGRESS == 0)?;
        let century = if century == 0 { 0 } else { read(century & 0x7f) };
        Some([read(SECONDS), read(MINUTES), read(HOURS), read(DAY), read(MONTH), read(YEAR), century])
    };
    let mut last = snapshot()?;
    for _ in 0..READ_RETRIES {
        let next = snapshot()?;
        if next == last {
            return decode(last, status, century != 0);
        }
        last = next;
    }
    None
}

/// Decodes the registers; `None` for a value that no clock has.
fn decode(raw: Raw, status: u8, has_century: bool) -> Option<RtcTime> {
    let number = |value: u8| match status & BINARY != 0 {
        true => Some(value),
        false => Some((value >> 4) * 10 + (value & 0xf)).filter(|_| value & 0xf < 10 && value >> 4 < 10),
    };
    let [second, minute, hour, day, month, year, century] = raw;
    let hour = if status & HOURS_24 != 0 {
        number(hour)?
    } else {
        let afternoon = if hour & AFTERNOON != 0 { 12 } else { 0 };
        // Noon and midnight are 12.
        number(hour & !AFTERNOON).filter(|hour| (1..=12).contains(hour))? % 12 + afternoon
    };
    let year = u16::from(number(year).filter(|year| *year < 100)?);
    let century = match has_century.then(|| number(century)).flatten().filter(|century| (19..=99).contains(century)) {
        Some(century) => u16::from(century),
        // Without a century, as Linux: a PC's years begin in 1970.
        None if year < 70 => 20,
        None => 19,
    };
    let (second, minute, day, month) = (number(second)?, number(minute)?, number(day)?, number(month)?);
    let time = RtcTime { year: century * 100 + year, month, day, hour, minute, second };
    let is_valid = (1..=12).contains(&month) && (1..=31).contains(&day) && hour < 24 && minute < 60 && second <= 60;
    is_valid.then_some(time)
}

#[cfg(test)]
mod tests;
