//! The local APIC: through MSRs in x2APIC mode, through its page otherwise (SDM vol. 3, 11).
//!
//! Registers are named by their xAPIC offset; the MSR of the same register is 0x800 plus a sixteenth of it.
//! The `x2apic` crate's `LocalApic` is not used: it clears mask bits while the APIC is still disabled, which
//! hardware ignores, and leaves LINT0 and LINT1 unmasked at vector 0.

#![expect(unsafe_code, reason = "the local APIC's registers")]

use core::ptr;
use core::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

use x86_64::PhysAddr;
use x86_64::registers::model_specific::{ApicBase, ApicBaseFlags, Msr};
use x86_64::structures::paging::PhysFrame;

use crate::cpu;
use crate::memory::MachineMemory;
use crate::vectors::{ERROR, SPURIOUS, TIMER};
use switchboard::platform::MemoryError;
use switchboard::sync::IrqLock;

const ID: u16 = 0x20;
const TASK_PRIORITY: u16 = 0x80;
const EOI: u16 = 0xb0;
const SPURIOUS_VECTOR: u16 = 0xf0;
const IN_SERVICE: u16 = 0x100;
const REQUESTED: u16 = 0x200;
const ERROR_STATUS: u16 = 0x280;
const COMMAND: u16 = 0x300;
const DESTINATION: u16 = 0x310;
const LVT_TIMER: u16 = 0x320;
const LVT_LINT0: u16 = 0x350;
const LVT_LINT1: u16 = 0x360;
const LVT_ERROR: u16 = 0x370;
const INITIAL_COUNT: u16 = 0x380;
const CURRENT_COUNT: u16 = 0x390;
const DIVIDE: u16 = 0x3e0;
const TSC_DEADLINE: Msr = Msr::new(0x6e0);

const ASSERT: u32 = 1 << 14;
const FIXED: u32 = 0;
const NMI: u32 = 4 << 8;
const INIT: u32 = 5 << 8;
const STARTUP: u32 = 6 << 8;

const MASKED: u32 = 1 << 16;
const DELIVER_NMI: u32 = 4 << 8;
const SOFTWARE_ENABLE: u32 = 1 << 8;
const DEADLINE_MODE: u32 = 2 << 17;
/// Divide by 16: the countdown reaches a minute, at a resolution of some nanoseconds.
const DIVIDE_BY_16: u32 = 0b0011;

/// The page of registers; null in x2APIC mode.
static PAGE: AtomicPtr<u32> = AtomicPtr::new(ptr::null_mut());
/// The physical address of the registers.
static BASE: AtomicU64 = AtomicU64::new(0);
static ERRORS: AtomicU64 = AtomicU64::new(0);
static SENDING: IrqLock<()> = IrqLock::new(());

/// The way of access to the registers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ApicMode {
    XApic,
    X2Apic,
}

/// Enables this CPU's local APIC, with everything masked but the error vector.
///
/// # Errors
/// [`MemoryError`] when its page cannot be mapped.
pub(crate) fn init() -> Result<ApicMode, MemoryError> {
    let (frame, flags) = ApicBase::read();
    let kind = if cpu::has_x2apic() { ApicMode::X2Apic } else { ApicMode::XApic };
    if kind == ApicMode::XApic {
        let page = MachineMemory::map(frame.start_address().as_u64(), frame.size())?;
        PAGE.store(page.cast().as_ptr(), Ordering::Relaxed);
    }
    enable(frame, flags, kind);
    // LINT1 is NMI on every PC, for the boot CPU.
    write(LVT_LINT1, DELIVER_NMI);
    BASE.store(frame.start_address().as_u64(), Ordering::Relaxed);
    Ok(kind)
}

/// Enables this CPU's local APIC, which is not that of the boot CPU, in the same mode and at the same address.
pub(crate) fn init_further() {
    let (_, flags) = ApicBase::read();
    let kind = if PAGE.load(Ordering::Relaxed).is_null() { ApicMode::X2Apic } else { ApicMode::XApic };
    enable(PhysFrame::containing_address(PhysAddr::new(BASE.load(Ordering::Relaxed))), flags, kind);
    write(LVT_LINT1, MASKED);
}

fn enable(frame: PhysFrame, flags: ApicBaseFlags, kind: ApicMode) {
    let enabled = flags | ApicBaseFlags::LAPIC_ENABLE;
    // SAFETY: the base stays where firmware put it.
    unsafe { ApicBase::write(frame, enabled) };
    if kind == ApicMode::X2Apic {
        // In a second step: the transition from "disabled" to x2APIC mode is not allowed (SDM vol. 3, 11.12.5).
        // SAFETY: the base stays where firmware put it, and the CPU has the mode.
        unsafe { ApicBase::write(frame, enabled | ApicBaseFlags::X2APIC_ENABLE) };
    }

    // Enabled first: while it is not, the mask bits cannot be changed (SDM vol. 3, 11.4.7.2).
    write(SPURIOUS_VECTOR, SOFTWARE_ENABLE | u32::from(SPURIOUS));
    write(TASK_PRIORITY, 0);
    write(LVT_TIMER, MASKED | u32::from(TIMER));
    // LINT0 is where the 8259 pair comes in.
    write(LVT_LINT0, MASKED);
    write(ERROR_STATUS, 0);
    write(LVT_ERROR, u32::from(ERROR));
}

/// Returns this CPU's local APIC id.
pub(crate) fn id() -> u32 {
    let id = read(ID);
    if PAGE.load(Ordering::Relaxed).is_null() { id } else { id >> 24 }
}

/// Sends the EOI of the interrupt in service. Called by the interrupt entry alone.
#[inline]
pub(crate) fn end_of_interrupt() {
    write(EOI, 0);
}

/// Sends an interrupt to a CPU (SDM vol. 3, 11.6.1): fixed delivery, physical destination.
pub(crate) fn send(cpu: u32, vector: u8) {
    command(cpu, FIXED | u32::from(vector));
}

/// Sends a non-maskable interrupt to a CPU.
pub(crate) fn send_nmi(cpu: u32) {
    command(cpu, NMI);
}

/// Sends INIT to a CPU: it waits for STARTUP then.
pub(crate) fn send_init(cpu: u32) {
    command(cpu, INIT);
}

/// Sends STARTUP to a CPU, which begins to run in real mode in that page below 1 MiB.
pub(crate) fn send_startup(cpu: u32, page: u64) {
    // The vector field has the number of the page.
    command(cpu, STARTUP | (page >> 12 & 0xff) as u32);
}

/// Writes a command: the message, for one CPU by its local APIC id.
fn command(cpu: u32, message: u32) {
    let command = ASSERT | message;
    if PAGE.load(Ordering::Relaxed).is_null() {
        let mut register = msr(COMMAND);
        // SAFETY: x2APIC mode, where this MSR holds both halves.
        unsafe { register.write(u64::from(cpu) << 32 | u64::from(command)) };
    } else {
        // An interrupt between the two writes could send one itself and replace the destination.
        let _guard = SENDING.lock();
        write(DESTINATION, cpu << 24);
        write(COMMAND, command);
    }
}

/// Returns whether that vector is in service (ISR).
pub(crate) fn is_in_service(vector: u8) -> bool {
    is_set(IN_SERVICE, vector)
}

/// Returns whether that vector is requested and not yet in service (IRR).
pub(crate) fn is_requested(vector: u8) -> bool {
    is_set(REQUESTED, vector)
}

/// Returns the bit of a vector in one of the registers of 256 bits.
fn is_set(first: u16, vector: u8) -> bool {
    read(first + 0x10 * u16::from(vector / 32)) & 1 << (vector % 32) != 0
}

/// Counts and logs the errors of the local APIC, such as a message with a vector below 16.
pub(crate) fn report_errors() {
    // A write updates the register with the errors since the last write.
    write(ERROR_STATUS, 0);
    let status = read(ERROR_STATUS);
    let count = ERRORS.fetch_add(1, Ordering::Relaxed) + 1;
    if count.is_power_of_two() {
        log::warn!("local APIC errors: {status:#x} ({count} so far)");
    }
}

/// Selects the one-shot mode of the timer: it counts down once for each [`start_countdown`].
pub(crate) fn set_one_shot_mode() {
    write(DIVIDE, DIVIDE_BY_16);
    write(LVT_TIMER, u32::from(TIMER));
}

/// Starts a countdown from `ticks`, which ends in an interrupt. Zero stops it.
pub(crate) fn start_countdown(ticks: u32) {
    write(INITIAL_COUNT, ticks);
}

/// Returns the ticks that are left of the countdown.
pub(crate) fn countdown() -> u32 {
    read(CURRENT_COUNT)
}

/// Selects the TSC-deadline mode of the timer: it interrupts when the TSC reaches [`set_deadline`].
pub(crate) fn set_deadline_mode() {
    write(LVT_TIMER, DEADLINE_MODE | u32::from(TIMER));
    // The write to the page must be done before the MSR is written (SDM vol. 3, 11.5.4.1).
    core::sync::atomic::fence(Ordering::SeqCst);
}

/// Sets the deadline, in ticks of the TSC. Zero disarms the timer.
pub(crate) fn set_deadline(tsc: u64) {
    let mut deadline = TSC_DEADLINE;
    // SAFETY: the CPU has this register (`set_deadline_mode` was chosen), and takes any value.
    unsafe { deadline.write(tsc) };
}

#[inline]
fn msr(register: u16) -> Msr {
    Msr::new(0x800 + u32::from(register) / 16)
}

#[inline]
fn write(register: u16, value: u32) {
    let page = PAGE.load(Ordering::Relaxed);
    if page.is_null() {
        // SAFETY: `init` chose x2APIC mode, and this module names writable registers only.
        unsafe { msr(register).write(u64::from(value)) };
    } else {
        // SAFETY: the registers named here are in the page.
        let register = unsafe { page.byte_add(usize::from(register)) };
        // SAFETY: `init` mapped the page for good, and registers are aligned to 16 bytes.
        unsafe { register.write_volatile(value) };
    }
}

fn read(register: u16) -> u32 {
    let page = PAGE.load(Ordering::Relaxed);
    if page.is_null() {
        // SAFETY: `init` chose x2APIC mode, and this module names readable registers only.
        let value = unsafe { msr(register).read() };
        // All of these registers have 32 bits.
        (value & 0xffff_ffff) as u32
    } else {
        // SAFETY: the registers named here are in the page.
        let register = unsafe { page.byte_add(usize::from(register)) };
        // SAFETY: `init` mapped the page for good, and registers are aligned to 16 bytes.
        unsafe { register.read_volatile() }
    }
}
