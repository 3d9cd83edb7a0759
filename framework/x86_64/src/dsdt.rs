//! The address of configuration space in the DSDT, for machines without an MCFG.
//!
//! A host bridge may have a `_CBA` object instead (PCI firmware 3.2, 4.1.3), as in QEMU's microvm. AML is not
//! interpreted: an object that is an integer, or a method that only returns one, is found by its bytes. The address is
//! used only when a host bridge responds there.

use switchboard::platform::EcamRegion;

const NAME: &[u8; 4] = b"_CBA";
/// AML encodings (ACPI 6.5, 20.2): a named object, `Return`, and integers of four and eight bytes.
const NAME_OP: u8 = 0x08;
const RETURN_OP: u8 = 0xa4;
const DWORD_PREFIX: u8 = 0x0c;
const QWORD_PREFIX: u8 = 0x0e;

/// Returns the region of all buses of segment 0, when the table has exactly one address.
pub(super) fn ecam(table: &[u8]) -> Option<EcamRegion> {
    let mut found = table.windows(NAME.len()).enumerate().filter(|(_, name)| name == NAME);
    let mut base = None;
    found.try_for_each(|(at, _)| {
        let before = at.checked_sub(1).map_or(0, |before| table[before]);
        let here = number(before, &table[at + NAME.len()..])?;
        (*base.get_or_insert(here) == here).then_some(())
    })?;
    let base = base.filter(|base: &u64| *base != 0 && base.is_multiple_of(1 << 20))?;
    Some(EcamRegion { base, segment: 0, first_bus: 0, last_bus: 255 })
}

/// Decodes the integer of an object or a method, given the byte `before` its name and the bytes `after` it.
fn number(before: u8, after: &[u8]) -> Option<u64> {
    // A method's name is followed by its flags and its body.
    let number = if before == NAME_OP { after } else { after.get(1..)?.strip_prefix(&[RETURN_OP])? };
    match *number {
        [DWORD_PREFIX, a, b, c, d, ..] => Some(u32::from_le_bytes([a, b, c, d]).into()),
        [QWORD_PREFIX, a, b, c, d, e, f, g, h, ..] => Some(u64::from_le_bytes([a, b, c, d, e, f, g, h])),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    /// The bytes of QEMU 7.2's microvm: `Method (_CBA) { Return (0xe0000000) }`, between other objects.
    const METHOD: &[u8] = b"\x14\x06_SRS\x01\x14\x0c_CBA\x00\xa4\x0c\x00\x00\x00\xe0\x08_CRS\x11";

    fn base(table: &[u8]) -> Option<u64> {
        ecam(table).map(|region| region.base)
    }

    #[test]
    fn a_method_that_returns_an_integer() {
        assert_eq!(ecam(METHOD), Some(EcamRegion { base: 0xe000_0000, segment: 0, first_bus: 0, last_bus: 255 }));
    }

    #[test]
    fn a_name_that_is_an_integer() {
        assert_eq!(base(b"..\x08_CBA\x0e\x00\x00\x00\x00\x04\x00\x00\x00"), Some(4 << 32));
        assert_eq!(base(b"\x08_CBA\x0c\x00\x00\x00\xb0"), Some(0xb000_0000));
    }

    #[test]
    fn other_methods_are_ignored() {
        for table in [
            &b""[..],
            b"_CBA",
            b"\x08_CBA",
            b"\x08_CBA\x0c\x00\x00\x00",
            b"\x14\x0c_CBA\x00\xa4\x60",
            b"\x14\x0c_CBA\x00\x70\x0c\x00\x00\x00\xe0",
            b"\x08_CBA\x0c\x00\x00\x00\x00",
            b"\x08_CBA\x0c\x04\x00\x00\xb0",
        ] {
            assert_eq!(ecam(table), None, "{}", table.escape_ascii());
        }
    }

    #[test]
    fn two_addresses_are_rejected() {
        let twice = [METHOD, METHOD].concat();
        assert_eq!(base(&twice), Some(0xe000_0000));
        let other: Vec<u8> = [METHOD, b"\x08_CBA\x0c\x00\x00\x00\xb0"].concat();
        assert_eq!(base(&other), None);
    }
}
