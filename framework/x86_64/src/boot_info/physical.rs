//! Reading what the loader left, by physical address, and keeping the command line.

#![expect(unsafe_code, reason = "the loader's structures are at physical addresses")]

use arrayvec::ArrayVec;
use spin::Once;

use crate::to_usize;

/// The boot page tables map the first 4 GiB one to one.
pub(super) const MAPPED: u64 = 1 << 32;
/// The longest command line that is kept, in bytes.
const COMMAND_LINE_LIMIT: usize = 4096;

/// Reads a value at a physical address, if the boot page tables map it.
///
/// # Safety
/// The first 4 GiB are mapped one to one, and any bits make a valid `T`.
pub(super) unsafe fn peek<T: Copy>(address: u64) -> Option<T> {
    let end = address.checked_add(size_of::<T>() as u64)?;
    if address == 0 || end > MAPPED {
        return None;
    }
    let pointer = core::ptr::with_exposed_provenance::<T>(to_usize(address));
    // SAFETY: inside the first 4 GiB, which the caller promises to be mapped; reading physical memory that
    // is not there gives ones.
    Some(unsafe { pointer.read_unaligned() })
}

/// Copies the command line to where it stays. It ends at a zero; text that is not UTF-8 ends where it stops being so.
pub(super) fn keep_command_line(bytes: impl Iterator<Item = u8>) -> &'static str {
    static COPY: Once<ArrayVec<u8, COMMAND_LINE_LIMIT>> = Once::new();
    let copy = COPY.call_once(|| bytes.take(COMMAND_LINE_LIMIT).take_while(|byte| *byte != 0).collect());
    let text = copy.utf8_chunks().next().map_or("", |chunk| chunk.valid());
    text.trim_ascii()
}
