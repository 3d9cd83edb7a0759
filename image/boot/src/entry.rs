//! The entry point: from 32-bit protected mode to long mode, a stack, and Rust.
//!
//! Loaders that support Xen's PVH note (QEMU's `-kernel`, among others) or the Multiboot2 header (GRUB, on BIOS and on
//! UEFI) jump here in 32-bit protected mode without paging. `ebx` is the physical address of the boot information, and
//! `eax` is the magic number of Multiboot2 if it has that format. The page tables made here map the first 4 GiB one to
//! one, writable and executable. They are used until the framework has read the memory map and made its own.

#![expect(unsafe_code, reason = "assembly, and symbols that the linker script defines")]

use core::arch::global_asm;

use switchboard_x86_64::{self as arch, BootInfo, ImageLayout};

pvh::xen_elfnote_phys32_entry!(boot_start);

unsafe extern "C" {
    /// The entry point, defined below.
    fn boot_start() -> !;

    // Symbols of the linker script. Only their addresses have a meaning.
    static image_text_start: u8;
    static image_text_end: u8;
    static image_rodata_start: u8;
    static image_rodata_end: u8;
    static image_data_start: u8;
    static image_data_end: u8;
    static image_stack_guard: u8;
}

global_asm!(
    r#"
    /* The Multiboot2 header (specification 2.0, 3.1): magic number, i386, its length, a sum of zero, and of tags only
       the last. The loader takes sections and entry point from the ELF headers. */
    .section .multiboot, "a", @progbits
    .balign 8
multiboot_header:
    .long 0xe85250d6, 0, 24, 0x100000000 - (0xe85250d6 + 24)
    .word 0, 0
    .long 8

    .section .text.boot, "ax", @progbits
    .code32
    .globl boot_start
boot_start:
    cli
    cld
    movl %eax, %ebp
    movl %ebx, %esi

    /* Not every loader clears .bss, and after a warm reboot it has its old contents. */
    movl $image_bss_start, %edi
    movl $image_bss_end, %ecx
    subl %edi, %ecx
    shrl $2, %ecx
    xorl %eax, %eax
    rep stosl

    /* The features of the CPU. One without long mode has no code to run but this; it may not even have CPUID, which
       is there if bit 21 of EFLAGS can be changed (SDM vol. 1, 3.4.3.3). */
    movl $image_stack_top, %esp
    pushfl
    popl %eax
    movl %eax, %ecx
    xorl $0x200000, %eax
    pushl %eax
    popfl
    pushfl
    popl %eax
    cmpl %ecx, %eax
    je boot_without_long_mode
    movl $0x80000000, %eax
    cpuid
    cmpl $0x80000001, %eax
    jb boot_without_long_mode
    movl $0x80000001, %eax
    cpuid
    btl $29, %edx
    jnc boot_without_long_mode
    /* NX, bit 20 of EDX, becomes NXE, bit 11 of EFER, which a CPU without NX must not set. */
    movl %edx, %ebx
    shrl $9, %ebx
    andl $0x800, %ebx

    /* Page tables: one PML4 entry, four PDPT entries, 2,048 pages of 2 MiB. Present and writable is 3, and
       0x80 makes a page of a directory entry (SDM vol. 3, 4.5). */
    movl $boot_pdpt + 3, boot_pml4
    movl $boot_pd + 3, %eax
    movl $boot_pdpt, %edi
    movl $4, %ecx
1:  movl %eax, (%edi)
    addl $4096, %eax
    addl $8, %edi
    loop 1b
    movl $0x83, %eax
    movl $boot_pd, %edi
    movl $2048, %ecx
2:  movl %eax, (%edi)
    addl $0x200000, %eax
    addl $8, %edi
    loop 2b
    movl $boot_pml4, %eax
    movl %eax, %cr3

    /* CR4: PAE, and SSE with its exceptions (OSFXSR, OSXMMEXCPT). AVX stays off (no OSXSAVE): the interrupt
       entry saves registers with fxsave, which does not save AVX state. */
    movl $0x620, %eax
    movl %eax, %cr4
    /* EFER: long mode, and no-execute where the CPU has it. */
    movl $0xc0000080, %ecx
    rdmsr
    orl $0x100, %eax
    orl %ebx, %eax
    wrmsr
    /* CR0: paging, write protection for ring 0 too, native FPU errors, no FPU emulation. */
    movl $0x80010033, %eax
    movl %eax, %cr0

    lgdt boot_gdt_pointer
    ljmp $8, $3f

    /* Prints a line, on the serial port and on port 0xe9, and ends QEMU's run with failure. The rest of the image has
       no 32-bit code. */
boot_without_long_mode:
    movl $boot_uart, %esi
    movl $(boot_uart_end - boot_uart) / 2, %ecx
4:  movzbl (%esi), %edx
    addl $0x3f8, %edx
    movb 1(%esi), %al
    outb %al, %dx
    addl $2, %esi
    loop 4b
    movl $boot_no_long_mode, %esi
5:  movb (%esi), %bl
    testb %bl, %bl
    jz 8f
    /* The transmitter is free when bit 5 of the line status is set; a stuck one costs output, and does not hang. */
    movl $0x3fd, %edx
    movl $100000, %ecx
6:  inb %dx, %al
    testb $0x20, %al
    jnz 7f
    loop 6b
7:  movb %bl, %al
    movl $0x3f8, %edx
    outb %al, %dx
    outb %al, $0xe9
    incl %esi
    jmp 5b
8:  movl $0x11, %eax
    outl %eax, $0xf4
9:  hlt
    jmp 9b

    .code64
3:  movl $16, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    xorl %eax, %eax
    movl %eax, %fs
    movl %eax, %gs
    movl $image_stack_top, %esp
    fninit
    movl %ebp, %edi
    xorl %ebp, %ebp
    call {kernel_entry}
    ud2

    .section .rodata.boot, "a", @progbits
    .balign 8
boot_gdt:
    .quad 0
    .quad 0x00af9b000000ffff    /* 64-bit code */
    .quad 0x00cf93000000ffff    /* data */
boot_gdt_pointer:
    .word . - boot_gdt - 1
    .long boot_gdt

    /* Registers of the serial port and their values: no interrupts, 115,200 baud (divisor 1), eight bits, FIFO, DTR. */
boot_uart:
    .byte 1, 0, 3, 0x80, 0, 1, 1, 0, 3, 3, 2, 7, 4, 3
boot_uart_end:
boot_no_long_mode:
    .asciz "cannot run on this machine: the CPU has no 64-bit mode (long mode)\r\n"

    .section .bss.boot, "aw", @nobits
    .balign 4096
boot_pml4:
    .skip 4096
boot_pdpt:
    .skip 4096
boot_pd:
    .skip 4 * 4096
    .text
    "#,
    kernel_entry = sym kernel_entry,
    options(att_syntax)
);

/// The first Rust function: initialises the console, reads the boot information, and runs the image.
extern "sysv64" fn kernel_entry(eax: u32, ebx: u32) -> ! {
    arch::console::init(log::LevelFilter::Info);
    crate::hal::init();
    // SAFETY: the entry code passes the registers as the loader set them, and maps the first 4 GiB one to one.
    match unsafe { BootInfo::from_loader(eax, ebx, image_layout()) } {
        Ok(boot) => crate::image::main(boot),
        Err(error) => {
            log::error!("cannot boot: {error}");
            arch::shutdown::exit(false)
        }
    }
}

fn image_layout() -> ImageLayout {
    ImageLayout {
        text: address(&raw const image_text_start)..address(&raw const image_text_end),
        rodata: address(&raw const image_rodata_start)..address(&raw const image_rodata_end),
        data: address(&raw const image_data_start)..address(&raw const image_data_end),
        stack_guard: address(&raw const image_stack_guard),
    }
}

fn address(symbol: *const u8) -> u64 {
    // Lossless: a pointer has 64 bits here.
    symbol.addr() as u64
}
