//! The end: no device writes to memory any more, a readable message on the console, and a failure for whoever started
//! the machine.

use core::panic::PanicInfo;
use core::sync::atomic::{AtomicBool, Ordering};

use switchboard_x86_64::{self as arch, Backtrace};

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    static PANICKING: AtomicBool = AtomicBool::new(false);
    arch::shutdown::quiesce();
    // A panic while reporting one must not report for ever.
    if !PANICKING.swap(true, Ordering::Relaxed) {
        arch::console::print_emergency(format_args!("\n{info}\n{}", Backtrace::here()));
    }
    arch::shutdown::exit(false)
}
