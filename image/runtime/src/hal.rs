//! The hardware abstraction layer: what the runtime needs of the machine below it.

use alloc::vec::Vec;
use core::fmt;

use spin::Once;
use switchboard::platform::HotplugController;

/// The machine below the runtime: console, shutdown, memory figures, randomness and idle time.
///
/// A program has one. `switchboard-boot` installs the bare machine; a test may install its own.
///
/// ```
/// use std::{fmt, process};
/// use switchboard_runtime::hal::{self, Hal, MemoryUsage};
///
/// struct Process;
///
/// impl Hal for Process {
///     fn print(&self, text: fmt::Arguments<'_>) {
///         print!("{text}");
///     }
///
///     fn exit(&self, is_success: bool) -> ! {
///         process::exit(i32::from(!is_success))
///     }
///
///     fn memory_usage(&self) -> MemoryUsage {
///         MemoryUsage { heap_bytes: 1 << 20, ..MemoryUsage::default() }
///     }
///
///     fn idle_ns(&self) -> u64 {
///         1_500
///     }
/// }
///
/// assert_eq!(hal::memory_usage(), MemoryUsage::default());
/// hal::install(&Process);
/// assert_eq!(hal::memory_usage().heap_bytes, 1 << 20);
/// assert_eq!(switchboard_runtime::tasks::idle_ns(), 1_500);
/// ```
pub trait Hal: Sync {
    /// Prints text on the console.
    fn print(&self, text: fmt::Arguments<'_>);

    /// Stops the machine, and reports success or failure.
    fn exit(&self, is_success: bool) -> !;

    /// Restarts the machine; by default as [`exit`](Self::exit).
    fn reboot(&self) -> ! {
        self.exit(true)
    }

    /// Turns the machine off; by default as [`exit`](Self::exit).
    fn power_off(&self) -> ! {
        self.exit(true)
    }

    /// Reads bytes that were typed on the console, as many as there are.
    fn read_console(&self, bytes: &mut [u8]) -> usize {
        let _ = bytes;
        0
    }

    /// Returns the sizes of heap and DMA pool, and the parts in use.
    fn memory_usage(&self) -> MemoryUsage;

    /// Returns for how many nanoseconds the CPU was halted since boot.
    fn idle_ns(&self) -> u64;

    /// Returns the platform's own controller of hot-plug, beside ports with slots; `None` when it has none.
    fn hotplug_controller(&self) -> Option<&'static dyn HotplugController> {
        None
    }

    /// Reads the machine's real-time clock, which is taken to run in UTC; `None` when it has none.
    fn real_time_clock(&self) -> Option<CalendarTime> {
        None
    }

    /// Returns 64 bits of an instruction of the CPU; `None` if it has none, or no entropy for the moment.
    fn cpu_random(&self, instruction: RandomInstruction) -> Option<u64> {
        let _ = instruction;
        None
    }

    /// Reads a file that the hypervisor or the firmware has for the machine; `None` if there is none of this name, or it is
    /// longer than `max_bytes`.
    fn firmware_file(&self, name: &str, max_bytes: usize) -> Option<Vec<u8>> {
        let _ = (name, max_bytes);
        None
    }

    /// Reads a counter of the CPU's cycles, whose jitter is measured; 0 without one.
    fn cycle_count(&self) -> u64 {
        0
    }
}

/// An instruction of the CPU that returns random numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RandomInstruction {
    /// RDSEED: conditioned bits of the hardware source.
    Rdseed,
    /// RDRAND: a generator that the hardware source seeds.
    Rdrand,
}

impl RandomInstruction {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Rdseed, Self::Rdrand];
}

/// A date and a time of day, as a real-time clock has them. The fields are not checked against each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CalendarTime {
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

/// The sizes of heap and DMA pool, and the parts in use.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MemoryUsage {
    /// Size of the heap in bytes.
    pub heap_bytes: usize,
    /// Bytes of the heap that are in use.
    pub heap_bytes_used: usize,
    /// Bytes of the heap that are free.
    pub heap_bytes_free: usize,
    /// Size of the DMA pool in pages of 4,096 bytes.
    pub dma_pages: usize,
    /// Pages of the DMA pool that are in use.
    pub dma_pages_used: usize,
}

static HAL: Once<&'static dyn Hal> = Once::new();

/// Installs the machine below the runtime; must be called before anything is printed.
///
/// Later calls have no effect.
pub fn install(hal: &'static dyn Hal) {
    HAL.call_once(|| hal);
}

/// Returns what [`install`] was given; `None` in most tests.
pub(crate) fn get() -> Option<&'static dyn Hal> {
    HAL.get().copied()
}

/// Reads a file that the hypervisor or the firmware has for the machine, such as one of QEMU's
/// `-fw_cfg name=opt/example/greeting,file=FILE`; `None` if there is none of this name, or it is longer than `max_bytes`.
///
/// ```
/// assert_eq!(switchboard_runtime::hal::firmware_file("opt/example/greeting", 1024), None);
/// ```
#[must_use]
pub fn firmware_file(name: &str, max_bytes: usize) -> Option<Vec<u8>> {
    get()?.firmware_file(name, max_bytes)
}

/// Stops the machine, and reports success or failure.
///
/// # Panics
/// Panics when no [`Hal`] is installed.
pub fn exit(is_success: bool) -> ! {
    match get() {
        Some(hal) => hal.exit(is_success),
        None => panic!("the program ends, with success: {is_success}"),
    }
}

/// Restarts the machine.
///
/// # Panics
/// Panics when no [`Hal`] is installed.
pub fn reboot() -> ! {
    match get() {
        Some(hal) => hal.reboot(),
        None => panic!("the program restarts"),
    }
}

/// Turns the machine off.
///
/// # Panics
/// Panics when no [`Hal`] is installed.
pub fn power_off() -> ! {
    match get() {
        Some(hal) => hal.power_off(),
        None => panic!("the program turns the machine off"),
    }
}

/// Returns the sizes of heap and DMA pool, and the parts in use; zeros when no [`Hal`] is installed.
#[must_use]
pub fn memory_usage() -> MemoryUsage {
    get().map(Hal::memory_usage).unwrap_or_default()
}

/// Returns the platform's own controller of hot-plug.
#[cfg(feature = "hotplug")]
pub(crate) fn hotplug_controller() -> Option<&'static dyn HotplugController> {
    get()?.hotplug_controller()
}
