//! The conversion of addresses and lengths to the pointer size of the target.

/// Converts an address or a length to a pointer-sized integer.
#[expect(clippy::cast_possible_truncation, reason = "the target's pointers have 64 bits")]
pub(crate) const fn to_usize(value: u64) -> usize {
    value as usize
}
const _: () = assert!(size_of::<usize>() == size_of::<u64>());
