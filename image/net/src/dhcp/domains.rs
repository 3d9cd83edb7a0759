//! Domain names in options: a name as text (RFC 2132, 3.17), and the search list (RFC 3397).

use alloc::string::String;
use alloc::vec::Vec;

/// The most search domains that are taken.
const MAX_DOMAINS: usize = 8;
/// RFC 1035, 2.3.4.
const MAX_LABEL_BYTES: usize = 63;
const MAX_NAME_BYTES: usize = 253;

/// Returns a name of letters, digits, hyphens and underscores, without a dot at its end; `None` for any other text.
pub(super) fn name_of_text(text: &[u8]) -> Option<String> {
    // Some servers count the zero at the end of a C string.
    let text = text.strip_suffix(&[0]).unwrap_or(text);
    let text = text.strip_suffix(b".").unwrap_or(text);
    let is_name = text.len() <= MAX_NAME_BYTES && text.split(|byte| *byte == b'.').all(is_label);
    is_name.then(|| String::from_utf8(text.to_vec()).ok()).flatten()
}

fn is_label(label: &[u8]) -> bool {
    (1..=MAX_LABEL_BYTES).contains(&label.len())
        && label.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        && !label.starts_with(b"-")
        && !label.ends_with(b"-")
}

/// Returns the domains of a search list, which are compressed as in DNS messages; those before the first malformed one.
pub(super) fn search_list(data: &[u8]) -> Vec<String> {
    let (mut domains, mut at) = (Vec::new(), 0);
    while at < data.len() && domains.len() < MAX_DOMAINS {
        let Some((name, next)) = name_at(data, at) else { break };
        at = next;
        domains.extend(name_of_text(&name));
    }
    domains
}

/// Returns the name at an offset, with dots, and the offset behind it.
fn name_at(data: &[u8], start: usize) -> Option<(Vec<u8>, usize)> {
    let (mut name, mut at, mut end) = (Vec::new(), start, None);
    // A pointer leads to an earlier place, which bounds their number.
    let mut lowest = start;
    loop {
        let length = *data.get(at)?;
        match length {
            0 => return Some((name, end.unwrap_or(at + 1))),
            1..=63 => {
                let label = data.get(at + 1..at + 1 + usize::from(length))?;
                if !name.is_empty() {
                    name.push(b'.');
                }
                name.extend_from_slice(label);
                if name.len() > MAX_NAME_BYTES {
                    return None;
                }
                at += 1 + usize::from(length);
            }
            0xc0..=0xff => {
                let target = usize::from(u16::from_be_bytes([length & 0x3f, *data.get(at + 1)?]));
                if target >= lowest {
                    return None;
                }
                end.get_or_insert(at + 2);
                (lowest, at) = (target, target);
            }
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_a_name_or_nothing() {
        for (text, name) in [
            ("lan", Some("lan")),
            ("lab.example.", Some("lab.example")),
            ("lab.example\0", Some("lab.example")),
            ("_x.example", Some("_x.example")),
            ("", None),
            ("a..b", None),
            ("-a", None),
            ("a b", None),
            ("a\nb", None),
            ("\u{e9}", None),
        ] {
            assert_eq!(name_of_text(text.as_bytes()).as_deref(), name, "{text:?}");
        }
        assert_eq!(name_of_text(&[b'a'; 64]), None);
    }

    #[test]
    fn a_search_list_is_decompressed() {
        // The example of RFC 3397, 2: eng.apple.com. and marketing.apple.com.
        let data = b"\x03eng\x05apple\x03com\x00\x09marketing\xc0\x04";
        assert_eq!(search_list(data), ["eng.apple.com", "marketing.apple.com"]);
    }

    #[test]
    fn a_malformed_list_ends_where_it_is_malformed() {
        for rest in [&b"\xc0\x05"[..], b"\xc0", b"\x3fx", b"\x40", b"\x01a", b"\xc0\x07\x00", b"\x01b\xc0\x06"] {
            let mut data = b"\x03lan\x00".to_vec();
            data.extend_from_slice(rest);
            assert_eq!(search_list(&data), ["lan"], "{rest:x?}");
        }
        let endless = b"\x01a\x00".repeat(100);
        assert_eq!(search_list(&endless).len(), MAX_DOMAINS);
    }
}
