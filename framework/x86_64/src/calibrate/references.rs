//! The timers of known frequency that a PC may have.

#![expect(unsafe_code, reason = "the ports and registers of timers")]

use core::ptr::NonNull;

use x86_64::instructions::port::{Port, PortReadOnly};

use super::clock;
use crate::apic::local;
use crate::memory::MachineMemory;
use crate::rtc as clock_chip;

/// The frequencies of the PIT and of the ACPI power management timer, in Hz (ACPI 6.5, 4.8.3.3).
pub(super) const PIT_HZ: u64 = 1_193_182;
pub(super) const ACPI_TIMER_HZ: u64 = 3_579_545;
/// The frequency of the local APIC timer of QEMU and of KVM, divided by 16 as this image sets it.
pub(super) const APIC_TIMER_HZ: u64 = 1_000_000_000 / 16;

/// Starts channel 2 of the PIT, which is otherwise used by the speaker alone, and returns a reader of its ticks.
pub(super) fn pit() -> impl FnMut() -> u64 {
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
pub(super) fn acpi_timer(port: u16) -> impl FnMut() -> u64 {
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

/// Returns a reader of the local APIC timer's ticks, for about a minute.
pub(super) fn apic_timer() -> impl FnMut() -> u64 {
    local::set_one_shot_mode();
    local::start_countdown(u32::MAX);
    || u64::from(u32::MAX - local::countdown())
}

/// The high precision event timer (IA-PC HPET 1.0a, 2.3).
#[derive(Debug, Clone, Copy)]
pub(super) struct Hpet {
    registers: NonNull<u8>,
    /// Femtoseconds of a tick.
    period_fs: u32,
}

/// Offsets of the HPET's registers: capabilities with the period in the upper half, configuration, the main counter.
const HPET_PERIOD: usize = 4;
const HPET_CONFIGURATION: usize = 0x10;
const HPET_COUNTER: usize = 0xf0;
/// Overall Enable: the main counter runs.
const HPET_ENABLE: u32 = 1;
/// Bytes of the registers.
const HPET_BYTES: u64 = 0x400;

impl Hpet {
    /// The longest period that the specification allows, in femtoseconds: 100 ns.
    const MAX_PERIOD_FS: u32 = 100_000_000;

    /// Maps the registers at a physical address, and starts the counter if it stands still. Returns `None` where no
    /// HPET is.
    pub(super) fn start(address: u64) -> Option<Self> {
        let registers =
            MachineMemory::map(address, HPET_BYTES).inspect_err(|error| log::warn!("HPET: {error}")).ok()?;
        let mut hpet = Self { registers, period_fs: 0 };
        hpet.period_fs = Some(hpet.read(HPET_PERIOD)).filter(|period| (1..=Self::MAX_PERIOD_FS).contains(period))?;
        let configuration = hpet.read(HPET_CONFIGURATION);
        if configuration & HPET_ENABLE == 0 {
            // SAFETY: the register is in the mapping, and aligned.
            let register = unsafe { registers.byte_add(HPET_CONFIGURATION) }.cast::<u32>();
            // SAFETY: as above. A running counter raises no interrupt: its comparators are left as they are.
            unsafe { register.write_volatile(configuration | HPET_ENABLE) };
        }
        Some(hpet)
    }

    /// Returns its frequency in Hz.
    pub(super) fn frequency(self) -> u64 {
        1_000_000_000_000_000 / u64::from(self.period_fs)
    }

    /// Returns a reader of the counter's ticks.
    pub(super) fn counter(self) -> impl FnMut() -> u64 {
        let (mut last, mut total) = (None, 0);
        move || {
            // The lower half is enough: it wraps after half a minute at the earliest.
            let count = self.read(HPET_COUNTER);
            total += u64::from(count.wrapping_sub(last.unwrap_or(count)));
            last = Some(count);
            total
        }
    }

    fn read(self, offset: usize) -> u32 {
        // SAFETY: the registers named here are in the mapping, and aligned.
        let register = unsafe { self.registers.byte_add(offset) }.cast::<u32>();
        // SAFETY: as above; reading them has no side effect.
        unsafe { register.read_volatile() }
    }
}

/// Measures the frequency of the TSC by the periodic flag of the real-time clock, in about half a second. Returns `None`
/// without such a clock.
pub(super) fn rtc() -> Option<u64> {
    /// Periods of a measurement.
    const PERIODS: u64 = 8;
    let _periodic = clock_chip::Periodic::start()?;
    // The first period ends somewhere in the middle.
    clock_chip::Periodic::wait()?;
    let start = clock::read_tsc();
    for _ in 0..PERIODS {
        clock_chip::Periodic::wait()?;
    }
    let ticks = clock::read_tsc().wrapping_sub(start);
    ticks.checked_mul(clock_chip::Periodic::HZ).map(|product| product / PERIODS).filter(|frequency| *frequency > 0)
}
