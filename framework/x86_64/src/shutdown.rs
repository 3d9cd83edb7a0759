//! The ends of a run, and the pauses in it.

#![expect(unsafe_code, reason = "the debug-exit port and the halt instruction")]

use core::sync::atomic::{AtomicBool, Ordering};

use spin::Once;
use x86_64::instructions::interrupts;
use x86_64::instructions::port::PortWriteOnly;

use switchboard::machine::Machine;

/// The machine to silence, once there is one.
static MACHINE: Once<&'static Machine> = Once::new();

/// Names the machine that is silenced at the end.
pub(super) fn init(machine: &'static Machine) {
    MACHINE.call_once(|| machine);
}

/// Takes every function off the bus ([`Machine::quiesce`]) and keeps interrupts off from here on: what follows is the
/// end. Only the first call does anything, so that what goes wrong in it does not go wrong for ever.
pub fn quiesce() {
    static IS_QUIESCED: AtomicBool = AtomicBool::new(false);
    interrupts::disable();
    if !IS_QUIESCED.swap(true, Ordering::Relaxed)
        && let Some(machine) = MACHINE.get()
    {
        machine.quiesce();
    }
}

/// Where `-device isa-debug-exit,iobase=0xf4` listens.
const DEBUG_EXIT: u16 = 0xf4;
/// QEMU exits with twice the value plus one: 33 for success, 35 for failure.
const SUCCESS: u32 = 0x10;
const FAILURE: u32 = 0x11;

/// Ends the run, after every function was taken off the bus. On QEMU with a debug-exit device, QEMU exits with status 33, or 35 for a failure; any
/// other machine halts for good.
pub fn exit(is_success: bool) -> ! {
    quiesce();
    let value = if is_success { SUCCESS } else { FAILURE };
    // SAFETY: the port belongs to the debug-exit device or to nobody.
    unsafe { PortWriteOnly::new(DEBUG_EXIT).write(value) };
    loop {
        x86_64::instructions::hlt();
    }
}
