//! Shutdown: functions are quiesced, and the machine exits or halts.

#![expect(unsafe_code, reason = "the debug-exit port")]

use core::sync::atomic::{AtomicBool, Ordering};

use spin::Once;
use x86_64::instructions::interrupts;
use x86_64::instructions::port::PortWriteOnly;

use switchboard::machine::Machine;

/// The machine that is quiesced.
static MACHINE: Once<&'static Machine> = Once::new();

/// Sets the machine that is quiesced at shutdown.
pub(super) fn init(machine: &'static Machine) {
    MACHINE.call_once(|| machine);
}

/// Disables interrupts and quiesces every function ([`Machine::quiesce`]), for a shutdown or a panic.
///
/// Only the first call quiesces, so that a panic in it does not recur.
pub fn quiesce() {
    static IS_QUIESCED: AtomicBool = AtomicBool::new(false);
    interrupts::disable();
    if !IS_QUIESCED.swap(true, Ordering::Relaxed)
        && let Some(machine) = MACHINE.get()
    {
        machine.quiesce();
    }
}

/// The port of `-device isa-debug-exit,iobase=0xf4`.
const DEBUG_EXIT: u16 = 0xf4;
/// The values for success and failure. QEMU's exit status is twice the value plus one: 33 and 35.
const SUCCESS: u32 = 0x10;
const FAILURE: u32 = 0x11;

/// Quiesces every function and ends the run: QEMU with a debug-exit device exits with status 33 for success or 35 for
/// failure, any other machine halts for good.
///
/// ```no_run
/// switchboard_x86_64::shutdown::exit(true);
/// ```
pub fn exit(is_success: bool) -> ! {
    quiesce();
    let value = if is_success { SUCCESS } else { FAILURE };
    // SAFETY: the port belongs to the debug-exit device or is unused.
    unsafe { PortWriteOnly::new(DEBUG_EXIT).write(value) };
    loop {
        x86_64::instructions::hlt();
    }
}
