//! The panic handler: stops the other CPUs and DMA of all devices, prints message and backtrace, and stops the machine with
//! failure.

use core::fmt;
use core::panic::PanicInfo;
use core::sync::atomic::{AtomicBool, Ordering};

use switchboard_runtime::consoles;
use switchboard_x86_64::{self as arch, Backtrace};

#[cfg(feature = "panic-messages")]
#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    stop(info)
}

/// Reads neither message nor place, so that the optimiser removes both from all that may panic. The first addresses of the backtrace
/// lead to the place.
#[cfg(not(feature = "panic-messages"))]
#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    stop(&"panicked")
}

fn stop(message: &dyn fmt::Display) -> ! {
    static PANICKING: AtomicBool = AtomicBool::new(false);
    arch::shutdown::quiesce();
    // A panic while one is printed must not recurse.
    if !PANICKING.swap(true, Ordering::Relaxed) {
        arch::console::print_emergency(format_args!("\n{ThisCpu}{message}\n{}", Backtrace::here()));
        consoles::print_emergency(format_args!("\n{ThisCpu}{message}\n"));
    }
    arch::shutdown::exit(false)
}

/// Displays the CPU that panicked, where there are several.
struct ThisCpu;

impl fmt::Display for ThisCpu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if arch::cpu_count() == 1 { Ok(()) } else { write!(f, "CPU {}: ", arch::current_cpu()) }
    }
}
