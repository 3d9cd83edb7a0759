//! Conversions of integers: to the lowest bits, or to the largest value that the type has.

/// Returns the lowest 8 bits.
pub(crate) fn low_u8(value: u64) -> u8 {
    value.to_le_bytes()[0]
}

/// Returns the lowest 16 bits.
pub(crate) fn low_u16(value: u64) -> u16 {
    let [low, high, ..] = value.to_le_bytes();
    u16::from_le_bytes([low, high])
}

/// Returns a length or an index; the largest one for those beyond it, which nothing has.
pub(crate) fn to_usize(value: u64) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}
