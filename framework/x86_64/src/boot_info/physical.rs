//! Access to the loader's structures by physical address, and the copy of the command line.

#![expect(unsafe_code, reason = "the loader's structures are at physical addresses")]

use arrayvec::ArrayVec;
use spin::Once;

use crate::integer::to_usize;

/// The end of the identity mapping of the boot page tables.
pub(super) const MAPPED: u64 = 1 << 32;
/// The longest command line that is kept, in bytes.
const COMMAND_LINE_BYTES: usize = 4096;

/// Reads a value at a physical address. Returns `None` when the boot page tables do not map it.
///
/// # Safety
/// The first 4 GiB are identity-mapped, and any bits are a valid `T`.
pub(super) unsafe fn peek<T: Copy>(address: u64) -> Option<T> {
    let end = address.checked_add(size_of::<T>() as u64)?;
    if address == 0 || end > MAPPED {
        return None;
    }
    let pointer = core::ptr::with_exposed_provenance::<T>(to_usize(address));
    // SAFETY: inside the first 4 GiB, which the caller guarantees to be mapped; physical addresses without memory read
    // as ones.
    Some(unsafe { pointer.read_unaligned() })
}

/// Copies the command line to a static buffer. It ends at a zero byte, at the first invalid UTF-8, or at the limit.
pub(super) fn keep_command_line(bytes: impl Iterator<Item = u8>) -> &'static str {
    static COPY: Once<ArrayVec<u8, COMMAND_LINE_BYTES>> = Once::new();
    let copy = COPY.call_once(|| bytes.take(COMMAND_LINE_BYTES).take_while(|byte| *byte != 0).collect());
    let text = copy.utf8_chunks().next().map_or("", |chunk| chunk.valid());
    text.trim_ascii()
}
