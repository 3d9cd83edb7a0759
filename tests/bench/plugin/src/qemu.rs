//! Declarations of QEMU's plugin interface, version 1 (QEMU 7.2 to 8.2, `include/qemu/qemu-plugin.h`).

use core::ffi::{c_int, c_uint, c_void};

/// Version of the interface; QEMU reads this symbol and refuses a version that it does not support.
#[expect(unreachable_pub, reason = "a symbol that QEMU reads")]
#[unsafe(no_mangle)]
pub static qemu_plugin_version: c_int = 1;

/// A block that is being translated.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Block {
    _opaque: [u8; 0],
}

/// An instruction of such a block.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Instruction {
    _opaque: [u8; 0],
}

/// `QEMU_PLUGIN_CB_NO_REGS`: the callback accesses no CPU registers.
pub(crate) const NO_REGISTERS: c_int = 0;
/// `QEMU_PLUGIN_INLINE_ADD_U64`.
pub(crate) const ADD: c_int = 0;

#[expect(unsafe_code, reason = "functions of a C interface")]
unsafe extern "C" {
    pub(crate) fn qemu_plugin_register_vcpu_tb_trans_cb(id: u64, callback: extern "C" fn(u64, *const Block));
    pub(crate) fn qemu_plugin_register_atexit_cb(
        id: u64,
        callback: extern "C" fn(u64, *mut c_void),
        argument: *mut c_void,
    );
    pub(crate) fn qemu_plugin_register_vcpu_tb_exec_inline(block: *const Block, op: c_int, at: *mut u64, value: u64);
    pub(crate) fn qemu_plugin_register_vcpu_insn_exec_inline(
        instruction: *const Instruction,
        op: c_int,
        at: *mut u64,
        value: u64,
    );
    pub(crate) fn qemu_plugin_register_vcpu_insn_exec_cb(
        instruction: *const Instruction,
        callback: extern "C" fn(c_uint, *mut c_void),
        registers: c_int,
        argument: *mut c_void,
    );
    pub(crate) fn qemu_plugin_tb_n_insns(block: *const Block) -> usize;
    pub(crate) fn qemu_plugin_tb_get_insn(block: *const Block, index: usize) -> *const Instruction;
    pub(crate) fn qemu_plugin_insn_data(instruction: *const Instruction) -> *const u8;
    pub(crate) fn qemu_plugin_insn_size(instruction: *const Instruction) -> usize;
    pub(crate) fn qemu_plugin_insn_vaddr(instruction: *const Instruction) -> u64;
}
