//! Connects the runtime to the bare machine.

use alloc::vec::Vec;
use core::fmt;

use switchboard::platform::HotplugController;
use switchboard_runtime::hal::{CalendarTime, Hal, MemoryUsage, RandomInstruction, install};
use switchboard_x86_64 as arch;

struct BareMachine;

impl Hal for BareMachine {
    fn print(&self, text: fmt::Arguments<'_>) {
        arch::console::print(text);
    }

    fn exit(&self, is_success: bool) -> ! {
        arch::shutdown::exit(is_success)
    }

    fn reboot(&self) -> ! {
        arch::shutdown::reboot()
    }

    fn power_off(&self) -> ! {
        arch::shutdown::power_off()
    }

    fn read_console(&self, bytes: &mut [u8]) -> usize {
        arch::console::read(bytes)
    }

    fn memory_usage(&self) -> MemoryUsage {
        let usage = arch::memory_usage();
        MemoryUsage {
            heap_bytes: usage.heap.total,
            heap_bytes_used: usage.heap.used,
            heap_bytes_free: usage.heap.free,
            dma_pages: usage.dma_pages,
            dma_pages_used: usage.dma_pages_used,
        }
    }

    fn hotplug_controller(&self) -> Option<&'static dyn HotplugController> {
        arch::hotplug_controller()
    }

    fn idle_ns(&self) -> u64 {
        arch::idle_ns()
    }

    fn real_time_clock(&self) -> Option<CalendarTime> {
        let arch::RtcTime { year, month, day, hour, minute, second } = arch::real_time_clock()?;
        Some(CalendarTime { year, month, day, hour, minute, second })
    }

    fn cpu_random(&self, instruction: RandomInstruction) -> Option<u64> {
        match instruction {
            RandomInstruction::Rdseed => arch::random::rdseed(),
            RandomInstruction::Rdrand => arch::random::rdrand(),
        }
    }

    fn firmware_file(&self, name: &str, max_bytes: usize) -> Option<Vec<u8>> {
        arch::firmware_file(name, max_bytes)
    }

    fn cycle_count(&self) -> u64 {
        arch::random::cycle_count()
    }
}

/// Installs the bare machine as the runtime's hardware abstraction.
pub(crate) fn init() {
    install(&BareMachine);
    #[cfg(feature = "log-ring")]
    arch::console::set_tap(switchboard_runtime::log_ring::record);
}
