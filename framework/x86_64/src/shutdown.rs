//! Shutdown: functions are quiesced, and the machine exits or halts.

#![expect(unsafe_code, reason = "the debug-exit port")]

use core::sync::atomic::{AtomicBool, Ordering};

use spin::Once;
use x86_64::VirtAddr;
use x86_64::instructions::port::PortWriteOnly;
use x86_64::instructions::{interrupts, tables};
use x86_64::structures::DescriptorTablePointer;

use super::acpi;
use super::cpus;
use super::memory::MachineMemory;
use switchboard::machine::Machine;

/// The machine that is quiesced.
static MACHINE: Once<&'static Machine> = Once::new();

/// Sets the machine that is quiesced at shutdown.
pub(super) fn init(machine: &'static Machine) {
    MACHINE.call_once(|| machine);
}

/// Disables interrupts, stops all other CPUs and quiesces every function ([`Machine::quiesce`]), for a shutdown or a panic.
///
/// Only the first call quiesces, so that a panic in it does not recur.
pub fn quiesce() {
    static IS_QUIESCED: AtomicBool = AtomicBool::new(false);
    interrupts::disable();
    cpus::stop_others();
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

/// PM1 control, and the physical address of the DSDT.
static SOFT_OFF: Once<(u16, u64)> = Once::new();

/// Sets where the machine is turned off: PM1 control, and the DSDT, which has the value for it.
pub(super) fn set_soft_off(pm1a_control: u16, dsdt: u64) {
    SOFT_OFF.call_once(|| (pm1a_control, dsdt));
}

/// PM1 control: the place of the sleep type, and the bit that enters the state (ACPI 6.5, 4.8.3.2.1).
const SLEEP_TYPE_SHIFT: u32 = 10;
const SLEEP_ENABLE: u16 = 1 << 13;

/// Quiesces every function and turns the machine off, by ACPI. Where that does not work, as [`exit`] for success.
///
/// ```no_run
/// switchboard_x86_64::shutdown::power_off();
/// ```
pub fn power_off() -> ! {
    // The table is read before functions are quiesced: reading it needs memory only.
    let soft_off = SOFT_OFF.get().and_then(|&(port, dsdt)| {
        let table = acpi::aml_table(dsdt, &MachineMemory)?;
        Some((port, acpi::soft_off_type(&table)?))
    });
    quiesce();
    if let Some((port, sleep_type)) = soft_off {
        let value = u16::from(sleep_type) << SLEEP_TYPE_SHIFT | SLEEP_ENABLE;
        // SAFETY: the port and the value are those of the FADT and the DSDT for turning the machine off.
        unsafe { PortWriteOnly::new(port).write(value) };
    }
    exit(true)
}

/// The reset control register of Intel's chipsets, with its values: a reset is to be hard, and a hard reset of CPU and board.
const RESET_CONTROL: u16 = 0xcf9;
const HARD: u8 = 2;
const RESET: u8 = 6;
/// The command port of the keyboard controller, and the command that pulses the CPU's reset line.
const KEYBOARD_COMMAND: u16 = 0x64;
const PULSE_RESET: u8 = 0xfe;

/// Quiesces every function and restarts the machine: by the chipset, the keyboard controller or, where neither works, by a fault
/// for which the CPU finds no handler.
///
/// ```no_run
/// switchboard_x86_64::shutdown::reboot();
/// ```
pub fn reboot() -> ! {
    quiesce();
    for (port, value) in [(RESET_CONTROL, HARD), (RESET_CONTROL, RESET), (KEYBOARD_COMMAND, PULSE_RESET)] {
        // SAFETY: ports for restarting the machine, which have no other effect, or are unused.
        unsafe { PortWriteOnly::new(port).write(value) };
    }
    let none = DescriptorTablePointer { limit: 0, base: VirtAddr::zero() };
    // SAFETY: no exception is handled from here on, and none is to be: the next one restarts the machine.
    unsafe { tables::lidt(&none) };
    interrupts::int3();
    exit(true)
}

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
