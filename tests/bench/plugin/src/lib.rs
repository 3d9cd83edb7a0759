//! Counts the guest's instructions, exactly: `-plugin libcount.so,out=FILE[,profile=ID:FROM:TO][,at=NAME:ADDRESS]...[,path=BEGIN:END]`
//!
//! A *mark* is the instruction `nopl 0x4d4b0000 + ID(%rax)`, which has no effect without the plugin. Each execution
//! writes a line `mark ID COUNT`, where COUNT is the number of instructions executed before it. `at=` writes `at NAME
//! COUNT` when an address is first executed. `profile=` writes how often each block of code ran between the mark's
//! occurrences FROM and TO, as `block ADDRESS INSTRUCTIONS TIMES`; the end of QEMU writes `total COUNT`.
//! `path=` writes each execution from an interrupt entry between the addresses BEGIN and END to its `iretq`, as `path` and
//! all instructions in order, `ADDRESS:BYTES`.
//!
//! One CPU only: the counters are plain memory.

#![expect(unsafe_code, reason = "an interface of raw pointers; QEMU calls, one CPU at a time")]

mod path;
mod qemu;

use core::ffi::{CStr, c_char, c_int, c_uint, c_void};
use core::ptr;
use core::slice;
use core::sync::atomic::{AtomicU64, Ordering};
use std::collections::HashMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::sync::{Mutex, PoisonError};

use path::Path;
use qemu::{ADD, Block, Instruction, NO_REGISTERS};

/// Number of instructions executed so far; QEMU's generated code increments it.
static COUNT: AtomicU64 = AtomicU64::new(0);

static PLUGIN: Mutex<Option<PluginState>> = Mutex::new(None);

struct PluginState {
    out: BufWriter<File>,
    points: Vec<(String, u64)>,
    profile: Option<Profile>,
    path: Option<Path>,
}

/// Counts the executions of each block between two occurrences of a mark.
struct Profile {
    mark: u16,
    from: u64,
    to: u64,
    seen: u64,
    /// Counters by address and length of the block; they never move, as generated code increments them.
    blocks: HashMap<(u64, usize), *mut u64>,
    at_start: HashMap<(u64, usize), u64>,
}

// SAFETY: the pointers are to leaked counters, which generated code writes and the lock's holder reads.
unsafe impl Send for Profile {}

fn count() -> u64 {
    COUNT.load(Ordering::Relaxed)
}

fn with_state(act: impl FnOnce(&mut PluginState)) {
    if let Some(state) = PLUGIN.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
        act(state);
    }
}

impl Profile {
    fn counts(&self) -> HashMap<(u64, usize), u64> {
        // SAFETY: leaked counters, aligned, of the CPU that is calling.
        let read = |counter: &*mut u64| unsafe { ptr::read_volatile(*counter) };
        self.blocks.iter().map(|(block, counter)| (*block, read(counter))).collect()
    }

    /// Handles an execution of the mark; returns the lines to write if it was the last one profiled.
    fn marked(&mut self) -> Option<String> {
        self.seen += 1;
        if self.seen == self.from {
            self.at_start = self.counts();
        }
        (self.seen == self.to).then(|| {
            let ran = |(block, after): ((u64, usize), u64)| {
                let times = after - self.at_start.get(&block).copied().unwrap_or_default();
                (times > 0).then(|| format!("block {:x} {} {times}\n", block.0, block.1))
            };
            self.counts().into_iter().filter_map(ran).collect()
        })
    }
}

extern "C" fn on_mark(_cpu: c_uint, mark: *mut c_void) {
    let (mark, count) = (mark.addr(), count());
    with_state(|PluginState { out, profile, .. }| {
        writeln!(out, "mark {mark} {count}").ok();
        let profile = profile.as_mut().filter(|profile| usize::from(profile.mark) == mark);
        if let Some(text) = profile.and_then(Profile::marked) {
            out.write_all(text.as_bytes()).ok();
        }
        // The process that started QEMU may kill it as soon as it has read the line that it waits for.
        out.flush().ok();
    });
}

extern "C" fn on_address(_cpu: c_uint, index: *mut c_void) {
    let (index, count) = (index.addr(), count());
    with_state(|PluginState { out, points, .. }| {
        if let Some((name, address)) = points.get_mut(index)
            && *address != 0
        {
            *address = 0;
            writeln!(out, "at {name} {count}").ok();
            out.flush().ok();
        }
    });
}

/// Returns the id of the mark that these bytes encode, if they do.
fn mark_of(code: &[u8]) -> Option<u16> {
    match *code {
        [0x0f, 0x1f, 0x80, low, high, 0x4b, 0x4d] => Some(u16::from_le_bytes([low, high])),
        _ => None,
    }
}

fn address_of(instruction: *const Instruction) -> u64 {
    // SAFETY: QEMU passed the instruction for the duration of this call.
    unsafe { qemu::qemu_plugin_insn_vaddr(instruction) }
}

fn code_of<'a>(instruction: *const Instruction) -> &'a [u8] {
    // SAFETY: as above.
    let data = unsafe { qemu::qemu_plugin_insn_data(instruction) };
    // SAFETY: as above.
    let size = unsafe { qemu::qemu_plugin_insn_size(instruction) };
    // SAFETY: the bytes live as long as the call, and are not kept longer.
    unsafe { slice::from_raw_parts(data, size) }
}

extern "C" fn on_translation(_id: u64, block: *const Block) {
    // SAFETY: QEMU passed the block for the duration of this call.
    let length = unsafe { qemu::qemu_plugin_tb_n_insns(block) };
    for index in 0..length {
        // SAFETY: within the block.
        let instruction = unsafe { qemu::qemu_plugin_tb_get_insn(block, index) };
        let address = address_of(instruction);
        // Callbacks run before the count is incremented: it excludes the instruction itself.
        if let Some(mark) = mark_of(code_of(instruction)) {
            call_at(instruction, on_mark, mark.into());
        }
        with_state(|state| {
            for (index, _) in state.points.iter().enumerate().filter(|(_, (_, point))| *point == address) {
                call_at(instruction, on_address, index);
            }
            if let Some(path) = &state.path {
                path.watch(instruction);
            }
            if index == 0
                && let Some(profile) = &mut state.profile
            {
                let counter = *profile.blocks.entry((address, length)).or_insert_with(|| Box::leak(Box::default()));
                // SAFETY: the counter is leaked, and the block is that of this call.
                unsafe { qemu::qemu_plugin_register_vcpu_tb_exec_inline(block, ADD, counter, 1) };
            }
        });
        // SAFETY: a static counter, and an instruction of this call's block.
        unsafe { qemu::qemu_plugin_register_vcpu_insn_exec_inline(instruction, ADD, COUNT.as_ptr(), 1) };
    }
}

fn call_at(instruction: *const Instruction, callback: extern "C" fn(c_uint, *mut c_void), argument: usize) {
    register(instruction, callback, ptr::without_provenance_mut(argument));
}

/// Has `callback` called before each execution of the instruction.
fn register(instruction: *const Instruction, callback: extern "C" fn(c_uint, *mut c_void), argument: *mut c_void) {
    // SAFETY: an instruction of the block that is being translated, and an argument that the callback expects.
    unsafe { qemu::qemu_plugin_register_vcpu_insn_exec_cb(instruction, callback, NO_REGISTERS, argument) };
}

extern "C" fn on_end(_id: u64, _argument: *mut c_void) {
    let count = count();
    with_state(|PluginState { out, .. }| {
        writeln!(out, "total {count}").ok();
        out.flush().ok();
    });
}

fn parse(arguments: &[String]) -> Result<PluginState, String> {
    let (mut out, mut points, mut profile, mut path) = (None, Vec::new(), None, None);
    for argument in arguments {
        let refuse = || format!("count: {argument} is not understood\n");
        let (key, value) = argument.split_once('=').ok_or_else(refuse)?;
        match key {
            "out" => out = Some(File::create(value).map_err(|error| format!("count: {value}: {error}\n"))?),
            "at" => {
                let (name, address) = value.split_once(':').ok_or_else(refuse)?;
                points.push((name.to_owned(), parse_address(address).ok_or_else(refuse)?));
            }
            "path" => {
                let (begin, end) = value.split_once(':').ok_or_else(refuse)?;
                let entries = parse_address(begin).zip(parse_address(end)).ok_or_else(refuse)?;
                path = Some(Path::new(entries.0..entries.1));
            }
            "profile" => {
                let numbers: Vec<u64> = value.split(':').map_while(|number| number.parse().ok()).collect();
                let [mark, from, to] = numbers[..] else { return Err(refuse()) };
                let mark = u16::try_from(mark).map_err(|_| refuse())?;
                let (blocks, at_start) = (HashMap::new(), HashMap::new());
                profile = Some(Profile { mark, from, to, seen: 0, blocks, at_start });
            }
            _ => return Err(refuse()),
        }
    }
    let out = BufWriter::new(out.ok_or("count: out=FILE is missing\n")?);
    Ok(PluginState { out, points, profile, path })
}

fn parse_address(text: &str) -> Option<u64> {
    u64::from_str_radix(text.trim_start_matches("0x"), 16).ok()
}

/// Entry point: called by QEMU with the arguments of `-plugin`.
///
/// # Safety
/// `arguments` are `count` C strings.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qemu_plugin_install(
    id: u64,
    _info: *const c_void,
    count: c_int,
    arguments: *const *const c_char,
) -> c_int {
    let count = usize::try_from(count).unwrap_or_default();
    let word = |index: usize| {
        // SAFETY: guaranteed by the caller.
        let word = unsafe { *arguments.wrapping_add(index) };
        // SAFETY: guaranteed by the caller.
        unsafe { CStr::from_ptr(word) }.to_string_lossy().into_owned()
    };
    match parse(&(0..count).map(word).collect::<Vec<_>>()) {
        Ok(state) => *PLUGIN.lock().unwrap_or_else(PoisonError::into_inner) = Some(state),
        Err(error) => {
            eprint!("{error}");
            return -1;
        }
    }
    // SAFETY: callbacks of the types that these take.
    unsafe { qemu::qemu_plugin_register_vcpu_tb_trans_cb(id, on_translation) };
    // SAFETY: as above.
    unsafe { qemu::qemu_plugin_register_atexit_cb(id, on_end, ptr::null_mut()) };
    0
}
