//! The soft-off state S5, from the DSDT (ACPI 6.5, 7.4.2 and 20.2.4).

/// Opcodes and prefixes of constants: a package, and numbers of one byte.
const PACKAGE: u8 = 0x12;
const BYTE_PREFIX: u8 = 0x0a;
/// The greatest sleep type: the field has three bits.
const MAX_SLEEP_TYPE: u8 = 7;

/// Returns the sleep type that turns the machine off, SLP_TYPa of `_S5`; `None` where the table has no such constant.
pub(crate) fn soft_off_type(dsdt: &[u8]) -> Option<u8> {
    let at = dsdt.windows(5).position(|bytes| bytes == [b'_', b'S', b'5', b'_', PACKAGE])? + 5;
    // The length of the package: the upper two bits of its first byte tell how many bytes follow it.
    let length_bytes = 1 + usize::from(dsdt.get(at)? >> 6);
    // Behind the number of elements.
    let value = dsdt.get(at + length_bytes + 1..)?;
    match *value {
        [BYTE_PREFIX, value, ..] | [value @ 0..=1, ..] if value <= MAX_SLEEP_TYPE => Some(value),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sleep_type_of_qemu_and_of_boards() {
        assert_eq!(soft_off_type(b"..\x08_S5_\x12\x06\x04\0\0\0\0"), Some(0));
        assert_eq!(soft_off_type(b"\x08_S5_\x12\x07\x04\x0a\x05\x0a\x05\0"), Some(5));
        assert_eq!(soft_off_type(b"\x08_S5_\x12\x40\x07\x04\x0a\x07\0\0\0"), Some(7));
        for invalid in
            [b"_S5_\x12\x06\x04\x0a\x08".as_slice(), b"_S5_\x12\x06", b"_S5_\x14", b"", b"_S5_\x12\xff\x04\x01"]
        {
            assert_eq!(soft_off_type(invalid), None, "{invalid:?}");
        }
    }
}
