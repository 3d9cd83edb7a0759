//! The code that a further CPU runs from real mode to long mode, in a page below 640 KiB.

#![expect(unsafe_code, reason = "a page of code and its parameters, for a CPU that starts there")]

use alloc::vec::Vec;
use core::arch::global_asm;
use core::mem::offset_of;
use core::ptr::NonNull;
use core::slice;
use core::sync::atomic::{AtomicU32, Ordering};

use switchboard::platform::MemoryError;
use x86_64::VirtAddr;
use x86_64::registers::control::{Cr0, Cr4};
use x86_64::registers::model_specific::{Efer, EferFlags};

use super::area::CpuArea;
use super::startup;
use crate::memory::MachineMemory;
use crate::memory_map::PAGE;
use crate::paging;

unsafe extern "C" {
    static switchboard_startup: u8;
    static switchboard_startup_parameters: u8;
    static switchboard_startup_end: u8;
    fn switchboard_startup_high() -> !;
}

/// No CPU may start.
const CLOSED: u32 = 0;
/// The CPU of `id` may start.
const OPEN: u32 = 1;
/// The CPU has started.
const ENTERED: u32 = 2;

/// The parameters, as the code below has them. `startup_tables` map the page and the image at their physical addresses.
#[repr(C)]
struct Parameters {
    gdt_limit: u16,
    gdt_address: [u16; 2],
    _padding: u16,
    protected_mode: [u32; 2],
    long_mode: [u32; 2],
    state: u32,
    id: u32,
    cr0: u32,
    startup_tables: u32,
    cr4: u32,
    efer: u32,
    tables: u64,
    stack: u64,
    area: u64,
    high: u64,
}

// A CPU begins in real mode at the start of the page, with CS set to it. A CPU that started too late finds another's id or a
// closed door, and halts. The long jump ends where the page tables of the machine and those of the startup both have code.
global_asm!(
    r#"
    .pushsection .rodata.switchboard_startup, "a", @progbits
    .balign 16
switchboard_startup:
    .code16
    cli
    cld
    movw %cs, %ax
    movw %ax, %ds
    xorl %ebp, %ebp
    movw %ax, %bp
    shll $4, %ebp
    lgdtl switchboard_startup_parameters - switchboard_startup
    movl %cr0, %eax
    orl $1, %eax
    movl %eax, %cr0
    ljmpl *(switchboard_startup_parameters - switchboard_startup + {protected_mode})

    .code32
2:  movl $16, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    leal switchboard_startup_parameters - switchboard_startup(%ebp), %esi
    /* The local APIC id as of the reset (SDM vol. 2, CPUID leaf 1). */
    movl $1, %eax
    cpuid
    shrl $24, %ebx
    cmpl {id}(%esi), %ebx
    jne 4f
    movl ${open}, %eax
    movl ${entered}, %ecx
    lock cmpxchgl %ecx, {state}(%esi)
    jne 4f
    movl {cr4}(%esi), %eax
    movl %eax, %cr4
    movl {startup_tables}(%esi), %eax
    movl %eax, %cr3
    movl $0xc0000080, %ecx
    rdmsr
    orl {efer}(%esi), %eax
    wrmsr
    movl {cr0}(%esi), %eax
    movl %eax, %cr0
    ljmpl *{long_mode}(%esi)
4:  hlt
    jmp 4b

    .code64
3:  movl %esi, %esi
    movq {tables}(%rsi), %rcx
    movq {stack}(%rsi), %rdx
    movq {area}(%rsi), %rdi
    movq {high}(%rsi), %rax
    jmp *%rax

    .balign 8
switchboard_startup_gdt:
    .quad 0
    .quad 0x00cf9b000000ffff    /* 32-bit code */
    .quad 0x00cf93000000ffff    /* data */
    .quad 0x00af9b000000ffff    /* 64-bit code */
    .balign 8
switchboard_startup_parameters:
    .word 31
    .long switchboard_startup_gdt - switchboard_startup
    .word 0
    .long 2b - switchboard_startup, 8
    .long 3b - switchboard_startup, 24
    .skip {rest}
switchboard_startup_end:
    .popsection

    .pushsection .text.switchboard_startup, "ax", @progbits
switchboard_startup_high:
    movq %rcx, %cr3
    movq %rdx, %rsp
    xorl %ebp, %ebp
    xorl %eax, %eax
    movl %eax, %fs
    movl %eax, %gs
    fninit
    call {run}
    ud2
    .popsection
    "#,
    protected_mode = const offset_of!(Parameters, protected_mode),
    long_mode = const offset_of!(Parameters, long_mode),
    state = const offset_of!(Parameters, state),
    id = const offset_of!(Parameters, id),
    cr0 = const offset_of!(Parameters, cr0),
    startup_tables = const offset_of!(Parameters, startup_tables),
    cr4 = const offset_of!(Parameters, cr4),
    efer = const offset_of!(Parameters, efer),
    tables = const offset_of!(Parameters, tables),
    stack = const offset_of!(Parameters, stack),
    area = const offset_of!(Parameters, area),
    high = const offset_of!(Parameters, high),
    rest = const size_of::<Parameters>() - offset_of!(Parameters, state),
    open = const OPEN,
    entered = const ENTERED,
    run = sym startup::run,
    options(att_syntax)
);

/// The page that CPUs start in, one at a time.
pub(super) struct Trampoline {
    page: u64,
    mapped: NonNull<u8>,
    /// The code with the parameters that all CPUs have in common.
    code: Vec<u8>,
    /// The offset of the parameters.
    parameters: usize,
}

impl Trampoline {
    /// Prepares a page of RAM that nothing else uses, below 640 KiB.
    ///
    /// # Errors
    /// [`MemoryError`] when it cannot be mapped.
    pub(super) fn new(page: u64) -> Result<Self, MemoryError> {
        let mapped = MachineMemory::map(page, PAGE)?;
        let start = &raw const switchboard_startup;
        let length = (&raw const switchboard_startup_end).addr() - start.addr();
        // SAFETY: the code is between the two symbols, in constants.
        let code = unsafe { slice::from_raw_parts(start, length) }.to_vec();
        let parameters = (&raw const switchboard_startup_parameters).addr() - start.addr();
        let mut trampoline = Self { page, mapped, code, parameters };
        let base = low_half(page);
        for offset in [
            offset_of!(Parameters, gdt_address),
            offset_of!(Parameters, protected_mode),
            offset_of!(Parameters, long_mode),
        ] {
            trampoline.add(offset, base);
        }
        trampoline.set(offset_of!(Parameters, cr0), &low_half(Cr0::read_raw()).to_le_bytes());
        trampoline.set(offset_of!(Parameters, cr4), &low_half(Cr4::read_raw()).to_le_bytes());
        let efer = Efer::read() & (EferFlags::LONG_MODE_ENABLE | EferFlags::NO_EXECUTE_ENABLE);
        trampoline.set(offset_of!(Parameters, efer), &low_half(efer.bits()).to_le_bytes());
        let (startup_tables, tables) = paging::roots();
        trampoline.set(offset_of!(Parameters, startup_tables), &low_half(startup_tables).to_le_bytes());
        trampoline.set(offset_of!(Parameters, tables), &tables.to_le_bytes());
        let high = (switchboard_startup_high as unsafe extern "C" fn() -> !) as usize as u64;
        trampoline.set(offset_of!(Parameters, high), &high.to_le_bytes());
        Ok(trampoline)
    }

    /// Returns the physical address of the page.
    pub(super) fn page(&self) -> u64 {
        self.page
    }

    /// Lets the CPU with that local APIC id start, with its area and the top of its stack.
    pub(super) fn prepare(&mut self, id: u32, area: &'static CpuArea, stack: VirtAddr) {
        self.state().store(CLOSED, Ordering::SeqCst);
        self.set(offset_of!(Parameters, id), &id.to_le_bytes());
        self.set(offset_of!(Parameters, area), &VirtAddr::from_ptr(area).as_u64().to_le_bytes());
        self.set(offset_of!(Parameters, stack), &stack.as_u64().to_le_bytes());
        for (offset, byte) in self.code.iter().enumerate() {
            // SAFETY: the code is shorter than the page that is mapped, and no CPU runs there: the last one has left.
            let to = unsafe { self.mapped.add(offset) };
            // SAFETY: as above.
            unsafe { to.write_volatile(*byte) };
        }
        self.state().store(OPEN, Ordering::SeqCst);
    }

    /// Returns whether the CPU has begun to start.
    pub(super) fn is_entered(&self) -> bool {
        self.state().load(Ordering::SeqCst) == ENTERED
    }

    /// Forbids the start. Returns `false` when it has begun already.
    pub(super) fn revoke(&self) -> bool {
        self.state().compare_exchange(OPEN, CLOSED, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }

    fn state(&self) -> &AtomicU32 {
        // SAFETY: inside of the page.
        let state = unsafe { self.mapped.add(self.parameters + offset_of!(Parameters, state)) };
        // SAFETY: aligned (the parameters are, to 8 bytes in the page), mapped for good, and used as an atomic value alone once
        // a CPU can see it.
        unsafe { AtomicU32::from_ptr(state.cast().as_ptr()) }
    }

    fn set(&mut self, offset: usize, bytes: &[u8]) {
        let at = self.parameters + offset;
        self.code[at..at + bytes.len()].copy_from_slice(bytes);
    }

    /// Adds the address of the page to an offset in it.
    fn add(&mut self, offset: usize, base: u32) {
        let at = self.parameters + offset;
        let bytes = [0, 1, 2, 3].map(|index| self.code[at + index]);
        self.set(offset, &(u32::from_le_bytes(bytes) + base).to_le_bytes());
    }
}

fn low_half(value: u64) -> u32 {
    (value & 0xffff_ffff) as u32
}
