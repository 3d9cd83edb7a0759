//! Domain names in options of router advertisements and DHCPv6 (RFC 8106, 5.2; RFC 8415, 10).

use alloc::string::String;
use alloc::vec::Vec;

/// Names of an option at most.
const MAX_NAMES: usize = 6;
/// The longest domain name (RFC 1035, 2.3.4).
const MAX_NAME_BYTES: usize = 253;

/// Returns the names that a list of labels holds, up to the first that is invalid. Names are padded with zeros.
pub(crate) fn names(mut bytes: &[u8]) -> Vec<String> {
    let mut names = Vec::new();
    while let (Some((name, rest)), true) = (name(bytes), names.len() < MAX_NAMES) {
        if !name.is_empty() {
            names.push(name);
        }
        bytes = rest;
    }
    names
}

/// Returns the first name without its final dot, and what follows it.
fn name(mut bytes: &[u8]) -> Option<(String, &[u8])> {
    let mut name = String::new();
    loop {
        let (length, rest) = bytes.split_first()?;
        if *length == 0 {
            return Some((name, rest));
        }
        let (label, rest) = rest.split_at_checked(usize::from(*length)).filter(|_| *length < 64)?;
        let is_valid = label.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
        if !is_valid || name.len() + label.len() + 1 > MAX_NAME_BYTES {
            return None;
        }
        if !name.is_empty() {
            name.push('.');
        }
        label.iter().for_each(|byte| name.push(char::from(*byte)));
        bytes = rest;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_and_invalid_ones_end_the_list() {
        assert_eq!(names(b"\x03lan\x00\x07example\x03org\x00\x00\x00"), ["lan", "example.org"]);
        assert_eq!(names(b"\x03lan\x00\x03a\nb\x00\x03net\x00"), ["lan"]);
        assert_eq!(names(b"\xc0\x00"), [""; 0]);
        assert_eq!(names(b"\x09lan"), [""; 0]);
        assert_eq!(names(&b"\x01a\x00".repeat(50)).len(), MAX_NAMES);
        assert_eq!(names(&b"\x3faaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa".repeat(9)), [""; 0]);
    }
}
