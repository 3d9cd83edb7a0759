//! Exceptions: each is reported with registers and a backtrace, and ends in a panic.
//!
//! A device can write a message with the vector of an exception. Hardware rejects vectors below 16, QEMU 7.2 none. Such
//! a message must not stop the machine, so it is distinguished from an exception and counted.

use core::fmt;

use x86_64::registers::control::Cr2;
use x86_64::structures::idt::PageFaultErrorCode;

use super::backtrace::Backtrace;
use super::{console, cpus, dispatch, shutdown};

const NON_MASKABLE: u64 = 2;

/// The stack frame that the entry stub makes, lowest address first.
#[derive(Debug)]
#[repr(C)]
pub(super) struct ExceptionFrame {
    r15: u64,
    r14: u64,
    r13: u64,
    r12: u64,
    r11: u64,
    r10: u64,
    r9: u64,
    r8: u64,
    rbp: u64,
    rdi: u64,
    rsi: u64,
    rdx: u64,
    rcx: u64,
    rbx: u64,
    rax: u64,
    vector: u64,
    error_code: u64,
    rip: u64,
    cs: u64,
    rflags: u64,
    rsp: u64,
    ss: u64,
}

/// Reports an exception and panics. Returns when it was a message with the vector of an exception.
pub(super) extern "sysv64" fn exception(frame: &ExceptionFrame) {
    if frame.vector == NON_MASKABLE {
        cpus::acknowledge_stop();
    }
    if dispatch::serve_message(frame.vector) {
        return;
    }
    shutdown::quiesce();
    console::print_emergency(format_args!("\n{frame}\n{}", Backtrace::of(frame.rsp)));
    panic!("{} at {:#x}", name(frame.vector), frame.rip);
}

impl fmt::Display for ExceptionFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (vector, error_code) = (self.vector, self.error_code);
        writeln!(f, "exception {vector}: {}, error code {error_code:#x}", name(vector))?;
        if vector == 14 {
            let reason = PageFaultErrorCode::from_bits_truncate(error_code);
            writeln!(f, "  address {:#018x}, {reason:?}", Cr2::read_raw())?;
        }
        let Self { r15, r14, r13, r12, r11, r10, r9, r8, rbp, rdi, rsi, rdx, rcx, rbx, rax, .. } = self;
        let Self { rip, cs, rflags, rsp, ss, .. } = self;
        writeln!(f, "  rip {rip:016x}  cs {cs:04x}  rflags {rflags:08x}  rsp {rsp:016x}  ss {ss:04x}")?;
        writeln!(f, "  rax {rax:016x}  rbx {rbx:016x}  rcx {rcx:016x}  rdx {rdx:016x}")?;
        writeln!(f, "  rsi {rsi:016x}  rdi {rdi:016x}  rbp {rbp:016x}  r8  {r8:016x}")?;
        writeln!(f, "  r9  {r9:016x}  r10 {r10:016x}  r11 {r11:016x}  r12 {r12:016x}")?;
        write!(f, "  r13 {r13:016x}  r14 {r14:016x}  r15 {r15:016x}")
    }
}

/// Returns the name of an exception (SDM vol. 3, table 6-1).
fn name(vector: u64) -> &'static str {
    match vector {
        0 => "divide error",
        1 => "debug",
        2 => "non-maskable interrupt",
        3 => "breakpoint",
        4 => "overflow",
        5 => "bound range exceeded",
        6 => "invalid opcode",
        7 => "device not available",
        8 => "double fault",
        10 => "invalid TSS",
        11 => "segment not present",
        12 => "stack segment fault",
        13 => "general protection fault",
        14 => "page fault",
        16 => "x87 floating-point error",
        17 => "alignment check",
        18 => "machine check",
        19 => "SIMD floating-point exception",
        20 => "virtualization exception",
        21 => "control protection exception",
        _ => "reserved exception",
    }
}
