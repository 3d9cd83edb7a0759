//! Every instruction from an interrupt's entry to its `iretq`, one after the other.

use core::ffi::{c_uint, c_void};
use core::ops::Range;
use core::ptr;
use core::sync::atomic::{AtomicBool, Ordering};
use std::io::Write;

use crate::qemu::Instruction;
use crate::{address_of, code_of, register, with_state};

/// Bytes from one entry to the next.
const ENTRY: u64 = 16;
const IRETQ: [u8; 2] = [0x48, 0xcf];

/// Whether a path is under way. Most instructions are on none, and look no further.
static IS_UNDER_WAY: AtomicBool = AtomicBool::new(false);

/// An instruction as it was translated. Leaked: translated code refers to it.
struct Step {
    address: u64,
    code: Box<[u8]>,
    is_entry: bool,
}

/// The path under way.
#[derive(Debug)]
pub(crate) struct Path {
    /// Where the entries are.
    entries: Range<u64>,
    last: u64,
    text: String,
}

impl Path {
    pub(crate) fn new(entries: Range<u64>) -> Self {
        Self { entries, last: 0, text: String::new() }
    }

    /// Has an instruction recorded that is being translated.
    pub(crate) fn watch(&self, instruction: *const Instruction) {
        let address = address_of(instruction);
        let is_entry = self.entries.contains(&address) && (address - self.entries.start).is_multiple_of(ENTRY);
        let step = Box::new(Step { address, code: code_of(instruction).into(), is_entry });
        register(instruction, on_step, ptr::from_ref(Box::leak(step)).cast_mut().cast());
    }

    /// Adds a step. Returns the path when that was its last.
    fn add(&mut self, step: &Step) -> Option<String> {
        if step.is_entry {
            self.text = String::from("path");
        } else if step.address == self.last {
            // QEMU begins an instruction anew when it turns out that it accesses a device.
            return None;
        }
        self.last = step.address;
        let code: String = step.code.iter().map(|byte| format!("{byte:02x}")).collect();
        self.text += &format!(" {:x}:{code}", step.address);
        let is_end = *step.code == IRETQ;
        IS_UNDER_WAY.store(!is_end, Ordering::Relaxed);
        is_end.then(|| core::mem::take(&mut self.text) + "\n")
    }
}

extern "C" fn on_step(_cpu: c_uint, step: *mut c_void) {
    // SAFETY: `watch` registered a leaked `Step`, which nothing changes.
    let step = unsafe { &*step.cast::<Step>() };
    if step.is_entry || IS_UNDER_WAY.load(Ordering::Relaxed) {
        with_state(|state| {
            if let Some(path) = state.path.as_mut().and_then(|path| path.add(step)) {
                state.out.write_all(path.as_bytes()).ok();
            }
        });
    }
}
