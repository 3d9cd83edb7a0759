//! The clock of a bench, which advances with each reading, and QEMU's own.

use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;
use std::thread;
use std::time::Instant;

use switchboard::platform::Clock;

use super::recording::Point;
use super::session::Session;

/// The nanoseconds of the first readings of a wait loop.
const STEP_NS: u64 = 10_000;
/// The readings after which the step has doubled its square root.
const RAMP: u64 = 48;

/// The state of the clock.
#[derive(Debug, Default)]
pub(super) struct Time {
    now_ns: AtomicU64,
    /// Readings since the driver last wrote a register or a handler ran.
    idle_readings: AtomicU64,
}

impl Time {
    /// Notes progress: the next readings are close together.
    pub(super) fn note_progress(&self) {
        self.idle_readings.store(0, Ordering::Relaxed);
    }

    /// Advances the clock.
    pub(super) fn skip(&self, ns: u64) {
        self.now_ns.fetch_add(ns, Ordering::Relaxed);
    }

    fn advance(&self) -> u64 {
        let ramp = 1 + self.idle_readings.fetch_add(1, Ordering::Relaxed) / RAMP;
        let step = STEP_NS.saturating_mul(ramp.saturating_mul(ramp));
        self.now_ns.fetch_add(step, Ordering::Relaxed).saturating_add(step)
    }
}

/// The ports of the real-time clock: an index, and the register with it.
const RTC_INDEX: u16 = 0x70;
const RTC_DATA: u16 = 0x71;
/// Register A: periods of 122 us; B: the periodic interrupt and hours from 0 to 23, or the latter alone; C: a period has ended.
const A_122_US: u8 = 0x23;
const B_PERIODIC: u8 = 0x42;
const B_DEFAULT: u8 = 0x02;
const C_PERIOD: u64 = 0x40;
/// The time in which QEMU runs the thread of its CPU.
const CPU_TIMEOUT: Duration = Duration::from_secs(5);

impl Session {
    /// Waits until QEMU's time passes. After a reset, and after each change of the machine's memory map, it stands until the thread of
    /// QEMU's CPU has run, which competes with its main loop for a lock: timers of devices are late by any number of accesses. A period
    /// of the real-time clock that ends shows that it has run.
    pub(super) fn let_time_pass(&self) {
        if !self.is_time_held.swap(false, Ordering::Relaxed) {
            return;
        }
        let write = |register: u8, value: u8| {
            self.command(format_args!("outb {RTC_INDEX:#x} {register:#x}"));
            self.command(format_args!("outb {RTC_DATA:#x} {value:#x}"))
        };
        let has_passed = || {
            self.command(format_args!("outb {RTC_INDEX:#x} 0xc"));
            // Reading it withdraws the interrupt. Without QEMU nothing is waited for.
            self.command(format_args!("inb {RTC_DATA:#x}")).is_none_or(|causes| causes & C_PERIOD != 0)
        };
        write(0xa, A_122_US);
        write(0xb, B_PERIODIC);
        let start = Instant::now();
        while !has_passed() && start.elapsed() < CPU_TIMEOUT {
            // The main loop is idle, and leaves the lock to the CPU.
            thread::sleep(Duration::from_micros(50));
        }
        write(0xb, B_DEFAULT);
    }
}

impl Clock for Session {
    /// Lets QEMU's main loop and the CPU's thread run, and returns the advanced time.
    fn now_ns(&self) -> u64 {
        self.pass(Point::Time);
        self.time.advance()
    }
}
