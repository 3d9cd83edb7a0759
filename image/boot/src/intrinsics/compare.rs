//! `memcmp`, `bcmp` and `strlen`.

#![expect(unsafe_code, reason = "symbols that the compiler calls by name, and their assembly")]

use core::arch::naked_asm;

/// Compares `rdx` bytes at `rdi` and `rsi`, and returns the sign of the first difference, or zero.
///
/// # Safety
/// Both must be valid for reads of `count` bytes.
#[cfg_attr(not(test), unsafe(no_mangle))]
#[unsafe(naked)]
pub(crate) unsafe extern "sysv64" fn memcmp(left: *const u8, right: *const u8, count: usize) -> i32 {
    naked_asm!(
        "sub rdx, 16",
        "jb 3f",
        "2:",
        "movups xmm0, [rdi]",
        "movups xmm1, [rsi]",
        "pcmpeqb xmm0, xmm1",
        "pmovmskb eax, xmm0",
        "xor eax, 0xffff",
        "jnz 5f",
        "add rdi, 16",
        "add rsi, 16",
        "sub rdx, 16",
        "jae 2b",
        "3:",
        "add rdx, 16",
        "jz 4f",
        "6:",
        "movzx eax, byte ptr [rdi]",
        "movzx ecx, byte ptr [rsi]",
        "sub eax, ecx",
        "jnz 7f",
        "inc rdi",
        "inc rsi",
        "dec rdx",
        "jnz 6b",
        "4:",
        "xor eax, eax",
        "7:",
        "ret",
        "5:",
        "bsf ecx, eax",
        "movzx eax, byte ptr [rdi + rcx]",
        "movzx edx, byte ptr [rsi + rcx]",
        "sub eax, edx",
        "ret",
    )
}

/// Compares `rdx` bytes at `rdi` and `rsi`, and returns zero if they are equal.
///
/// # Safety
/// Both must be valid for reads of `count` bytes.
#[cfg_attr(not(test), unsafe(no_mangle))]
#[unsafe(naked)]
pub(crate) unsafe extern "sysv64" fn bcmp(left: *const u8, right: *const u8, count: usize) -> i32 {
    naked_asm!("jmp {memcmp}", memcmp = sym memcmp)
}

/// Returns the number of bytes at `rdi` before the first NUL.
///
/// # Safety
/// `string` must point to bytes that end with a NUL.
#[cfg_attr(not(test), unsafe(no_mangle))]
#[unsafe(naked)]
pub(crate) unsafe extern "sysv64" fn strlen(string: *const core::ffi::c_char) -> usize {
    naked_asm!("mov rax, rdi", "2:", "cmp byte ptr [rax], 0", "je 3f", "inc rax", "jmp 2b", "3:", "sub rax, rdi", "ret")
}
