//! The interrupt entry: a stub for each vector, and the code that they share.
//!
//! The path to a driver's handler has no branches, and its instructions are counted: the stub (3), saving the registers
//! that a Rust call may change (12), `interrupt`, the slot of the vector. All vectors are interrupt gates on an IST
//! stack, so the path is never entered twice at once.

#![expect(unsafe_code, reason = "assembly that the CPU jumps to")]

use core::arch::global_asm;
use x86_64::VirtAddr;

use super::apic::local;
use super::cpus;
use super::dispatch::{dispatch, serve_called};
use super::vectors::{CALL, ERROR, FIRST_OWN, TIMER, WAKE};
use super::{exceptions, timer};

/// The first vector that is not an exception.
const FIRST_INTERRUPT: u8 = 32;
/// Bytes from one stub to the next.
const STUB: u64 = 16;

unsafe extern "C" {
    static switchboard_exception_stubs: u8;
    static switchboard_interrupt_stubs: u8;
}

/// Returns the address of the stub of a vector.
pub(super) fn stub(vector: u8) -> VirtAddr {
    let (base, index) = match vector.checked_sub(FIRST_INTERRUPT) {
        Some(index) => (&raw const switchboard_interrupt_stubs, index),
        None => (&raw const switchboard_exception_stubs, vector),
    };
    VirtAddr::from_ptr(base) + STUB * u64::from(index)
}

// The CPU has pushed SS, RSP, RFLAGS, CS and RIP (40 bytes) on a stack aligned to 16; with `rdi` and eight more
// registers that makes 112, so the 512 bytes for `fxsave` and the call are aligned again. The exceptions that
// push an error code are 8, 10 to 14, 17, 21, 29 and 30 (SDM vol. 3, 6.15; AMD64 vol. 2, 8.2); the others get a zero in
// its place. `exception` returns only for a message with such a vector, which pushes none: the vector and that zero are
// discarded before `iretq`.
global_asm!(
    r#"
    .pushsection .text.switchboard_entry, "ax", @progbits
    .macro save_and_call handler, name
switchboard_save_for_\name:
    pushq %rax
    pushq %rcx
    pushq %rdx
    pushq %rsi
    pushq %r8
    pushq %r9
    pushq %r10
    pushq %r11
    subq $512, %rsp
    fxsave64 (%rsp)
    cld
    call \handler
switchboard_restore_from_\name:
    fxrstor64 (%rsp)
    addq $512, %rsp
    popq %r11
    popq %r10
    popq %r9
    popq %r8
    popq %rsi
    popq %rdx
    popq %rcx
    popq %rax
    popq %rdi
    iretq
    .endm

    .balign 16
switchboard_interrupt_stubs:
    .set vector, {first_interrupt}
    .rept 256 - {first_interrupt}
    pushq %rdi
    movl $vector, %edi
    .if vector < {first_own}
    jmp 1f
    .else
    jmp 2f
    .endif
    .balign 16
    .set vector, vector + 1
    .endr
1:  save_and_call {interrupt}, interrupt
2:  save_and_call {own_interrupt}, own_interrupt
    .purgem save_and_call

    .macro save_and_report discard
    pushq %rax
    pushq %rbx
    pushq %rcx
    pushq %rdx
    pushq %rsi
    pushq %rdi
    pushq %rbp
    pushq %r8
    pushq %r9
    pushq %r10
    pushq %r11
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, %rdi
    movq %rsp, %rbx
    andq $-16, %rsp
    subq $512, %rsp
    fxsave64 (%rsp)
    cld
    call {exception}
    fxrstor64 (%rsp)
    movq %rbx, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %r11
    popq %r10
    popq %r9
    popq %r8
    popq %rbp
    popq %rdi
    popq %rsi
    popq %rdx
    popq %rcx
    popq %rbx
    popq %rax
    addq $\discard, %rsp
    iretq
    .endm

    .balign 16
switchboard_exception_stubs:
    .set vector, 0
    .rept {first_interrupt}
    .if ((0x60227d00 >> vector) & 1) == 0
    pushq $0
    pushq $vector
    jmp 3f
    .else
    pushq $vector
    jmp 4f
    .endif
    .balign 16
    .set vector, vector + 1
    .endr
3:  save_and_report 16
4:  save_and_report 8
    .purgem save_and_report
    .popsection
    "#,
    first_interrupt = const FIRST_INTERRUPT,
    first_own = const FIRST_OWN,
    interrupt = sym interrupt,
    own_interrupt = sym own_interrupt,
    exception = sym exceptions::exception,
    options(att_syntax)
);

/// Serves an interrupt of a function. The EOI is sent here, and in `own_interrupt`: nowhere else.
extern "sysv64" fn interrupt(vector: u64) {
    dispatch(vector);
    local::end_of_interrupt();
}

/// Serves a vector of the machine's own.
extern "sysv64" fn own_interrupt(vector: u64) {
    match (vector & 0xff) as u8 {
        CALL if serve_called() => {}
        TIMER => timer::fire(),
        ERROR => local::report_errors(),
        WAKE => {}
        // A spurious delivery is not in service and gets no EOI (SDM vol. 3, 11.9).
        vector if !local::is_in_service(vector) => {
            cpus::current().vectors().inspect(|vectors| vectors.count_spurious());
            return;
        }
        // A device wrote a message with this vector, which is in service now: without an EOI it would block further
        // interrupts for good.
        _ => dispatch(vector),
    }
    local::end_of_interrupt();
}
