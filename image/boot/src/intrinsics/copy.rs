//! `memcpy`, `memmove` and `memset`.

#![expect(unsafe_code, reason = "symbols that the compiler calls by name, and their assembly")]

use core::arch::naked_asm;

/// Copies `rdx` bytes from `rsi` to `rdi`, and returns `rdi`.
///
/// Also correct for overlapping ranges when the destination is below the source, because every load of a step comes
/// before its stores.
///
/// # Safety
/// `destination` must be valid for writes and `source` for reads of `count` bytes.
#[cfg_attr(not(test), unsafe(no_mangle))]
#[unsafe(naked)]
pub(crate) unsafe extern "sysv64" fn memcpy(destination: *mut u8, source: *const u8, count: usize) -> *mut u8 {
    naked_asm!(
        "mov rax, rdi",
        "cmp rdx, 16",
        "jb 4f",
        // The last 16 bytes are loaded first and stored last: they cover any remainder.
        "movups xmm4, [rsi + rdx - 16]",
        "lea r8, [rdi + rdx - 16]",
        "sub rdx, 64",
        "jb 3f",
        "2:",
        "movups xmm0, [rsi]",
        "movups xmm1, [rsi + 16]",
        "movups xmm2, [rsi + 32]",
        "movups xmm3, [rsi + 48]",
        "movups [rdi], xmm0",
        "movups [rdi + 16], xmm1",
        "movups [rdi + 32], xmm2",
        "movups [rdi + 48], xmm3",
        "add rsi, 64",
        "add rdi, 64",
        "sub rdx, 64",
        "jae 2b",
        "3:",
        // Here rdx is the remaining count minus 64: up to three more steps, then the tail.
        "add rdx, 48",
        "js 6f",
        "5:",
        "movups xmm0, [rsi]",
        "movups [rdi], xmm0",
        "add rsi, 16",
        "add rdi, 16",
        "sub rdx, 16",
        "jns 5b",
        "6:",
        "movups [r8], xmm4",
        "ret",
        // Fewer than 16 bytes: two moves of half the size that may overlap each other.
        "4:",
        "cmp edx, 8",
        "jb 7f",
        "mov rcx, [rsi]",
        "mov r8, [rsi + rdx - 8]",
        "mov [rdi], rcx",
        "mov [rdi + rdx - 8], r8",
        "ret",
        "7:",
        "cmp edx, 4",
        "jb 8f",
        "mov ecx, [rsi]",
        "mov r8d, [rsi + rdx - 4]",
        "mov [rdi], ecx",
        "mov [rdi + rdx - 4], r8d",
        "ret",
        "8:",
        "test edx, edx",
        "jz 9f",
        "movzx ecx, byte ptr [rsi]",
        "cmp edx, 2",
        "jb 10f",
        "movzx r8d, word ptr [rsi + rdx - 2]",
        "mov [rdi + rdx - 2], r8w",
        "10:",
        "mov [rdi], cl",
        "9:",
        "ret",
    )
}

/// Copies `rdx` bytes from `rsi` to `rdi`, which may overlap in any way, and returns `rdi`.
///
/// # Safety
/// `destination` must be valid for writes and `source` for reads of `count` bytes.
#[cfg_attr(not(test), unsafe(no_mangle))]
#[unsafe(naked)]
pub(crate) unsafe extern "sysv64" fn memmove(destination: *mut u8, source: *const u8, count: usize) -> *mut u8 {
    naked_asm!(
        // Only a destination inside the source range needs a copy from the end.
        "mov rax, rdi",
        "sub rax, rsi",
        "cmp rax, rdx",
        "jae {memcpy}",
        "cmp rdx, 16",
        "jb {memcpy}",
        "mov rax, rdi",
        "movups xmm4, [rsi]",
        "sub rdx, 64",
        "jb 3f",
        "2:",
        "movups xmm0, [rsi + rdx]",
        "movups xmm1, [rsi + rdx + 16]",
        "movups xmm2, [rsi + rdx + 32]",
        "movups xmm3, [rsi + rdx + 48]",
        "movups [rdi + rdx], xmm0",
        "movups [rdi + rdx + 16], xmm1",
        "movups [rdi + rdx + 32], xmm2",
        "movups [rdi + rdx + 48], xmm3",
        "sub rdx, 64",
        "jae 2b",
        "3:",
        "add rdx, 48",
        "js 6f",
        "5:",
        "movups xmm0, [rsi + rdx]",
        "movups [rdi + rdx], xmm0",
        "sub rdx, 16",
        "jns 5b",
        "6:",
        "movups [rax], xmm4",
        "ret",
        memcpy = sym memcpy,
    )
}

/// Fills `rdx` bytes at `rdi` with the low byte of `esi`, and returns `rdi`.
///
/// # Safety
/// `destination` must be valid for writes of `count` bytes.
#[cfg_attr(not(test), unsafe(no_mangle))]
#[unsafe(naked)]
pub(crate) unsafe extern "sysv64" fn memset(destination: *mut u8, byte: i32, count: usize) -> *mut u8 {
    naked_asm!(
        "mov rax, rdi",
        "movzx esi, sil",
        "mov rcx, 0x0101010101010101",
        "imul rcx, rsi",
        "cmp rdx, 16",
        "jb 4f",
        "movq xmm0, rcx",
        "punpcklqdq xmm0, xmm0",
        "lea r8, [rdi + rdx - 16]",
        "sub rdx, 64",
        "jb 3f",
        "2:",
        "movups [rdi], xmm0",
        "movups [rdi + 16], xmm0",
        "movups [rdi + 32], xmm0",
        "movups [rdi + 48], xmm0",
        "add rdi, 64",
        "sub rdx, 64",
        "jae 2b",
        "3:",
        "add rdx, 48",
        "js 6f",
        "5:",
        "movups [rdi], xmm0",
        "add rdi, 16",
        "sub rdx, 16",
        "jns 5b",
        "6:",
        "movups [r8], xmm0",
        "ret",
        "4:",
        "cmp edx, 8",
        "jb 7f",
        "mov [rdi], rcx",
        "mov [rdi + rdx - 8], rcx",
        "ret",
        "7:",
        "cmp edx, 4",
        "jb 8f",
        "mov [rdi], ecx",
        "mov [rdi + rdx - 4], ecx",
        "ret",
        "8:",
        "test edx, edx",
        "jz 9f",
        "mov [rdi], cl",
        "mov [rdi + rdx - 1], cl",
        "shr edx, 1",
        "mov [rdi + rdx], cl",
        "9:",
        "ret",
    )
}
