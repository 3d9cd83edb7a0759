//! The fields of a header that are more than `tar-core` checks.

use tar_core::{EntryType, Header};

use super::scan_error::HeaderDefect;

/// A header whose checksum and size are right.
#[derive(Debug)]
pub(super) struct CheckedHeader<'a> {
    pub(super) header: &'a Header,
    bytes: &'a [u8; 512],
    pub(super) kind: EntryType,
    /// The size that the header has, which a pax header may replace.
    pub(super) size: u64,
    /// The time of the last change, if it is not before 1970 or malformed.
    pub(super) modified: u64,
}

impl<'a> CheckedHeader<'a> {
    /// Checks a header that is not all zeros.
    pub(super) fn new(bytes: &'a [u8; 512]) -> Result<Self, HeaderDefect> {
        let header = Header::from_bytes(bytes);
        header.verify_checksum().map_err(|_| HeaderDefect::Checksum)?;
        let kind = header.entry_type();
        // What a link has as its size is that of its target in archives of some old tars; no data follows.
        let has_data = !matches!(kind, EntryType::Link | EntryType::Symlink | EntryType::Directory);
        let size = if has_data { number(&bytes[124..136]).ok_or(HeaderDefect::Size)? } else { 0 };
        Ok(Self { header, bytes, kind, size, modified: number(&bytes[136..148]).unwrap_or(0) })
    }

    /// Returns whether the header is of a format that has long names, pax headers and GNU's sparse files.
    pub(super) fn has_extensions(&self) -> bool {
        self.header.is_gnu() || self.header.is_ustar()
    }

    /// Returns the bytes of a field.
    pub(super) fn field(&self, range: core::ops::Range<usize>) -> &'a [u8] {
        self.bytes.get(range).unwrap_or_default()
    }
}

/// Returns the number of a field: octal digits between blanks, or base-256, as GNU tar writes what does not fit. `None` for
/// other characters, a negative number, or one that needs more than 63 bits. An empty field is 0.
pub(super) fn number(field: &[u8]) -> Option<u64> {
    let number = match field.split_first() {
        Some((&first, rest)) if first & 0x80 != 0 => {
            let start = if first & 0x40 == 0 { u64::from(first & 0x3f) } else { return None };
            rest.iter().try_fold(start, |sum, byte| Some(sum.checked_mul(256)? | u64::from(*byte)))?
        }
        _ => {
            let text = field.split(|byte| *byte == 0).next().unwrap_or_default().trim_ascii();
            text.iter().try_fold(0_u64, |sum, byte| {
                let digit = matches!(byte, b'0'..=b'7').then(|| u64::from(byte - b'0'))?;
                sum.checked_mul(8)?.checked_add(digit)
            })?
        }
    };
    i64::try_from(number).ok()?;
    Some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_octal_or_base_256_and_fit() {
        assert_eq!(number(b"00000001750\0"), Some(1000));
        assert_eq!(number(b"     1750  \0"), Some(1000));
        assert_eq!(number(b"777777777777"), Some((1 << 36) - 1));
        assert_eq!(number(b""), Some(0));
        assert_eq!(number(b"\x80\0\0\0\0\0\0\x02\0\0\0\0"), Some(1 << 33));
        // 2^64, 2^63 and -1.
        assert_eq!(number(b"\x80\0\0\x01\0\0\0\0\0\0\0\0"), None);
        assert_eq!(number(b"\x80\0\0\0\x80\0\0\0\0\0\0\0"), None);
        assert_eq!(number(b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"), None);
        for malformed in [&b"-1"[..], b"+1", b"8", b"1 2", b"0x10"] {
            assert_eq!(number(malformed), None);
        }
    }
}
