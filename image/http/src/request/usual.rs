//! Heads of the usual form, parsed in one pass over their bytes.
//!
//! Nearly all requests are a GET of a path by HTTP/1.1 with a few headers, each written as `Name: value`. This parser takes
//! those only, and never refuses: whatever else it meets, valid or not, is left to `httparse`, from which it may not differ.

use arrayvec::ArrayVec;

use super::Header;
use super::target::Target;

/// The maximum number of headers of a head of the usual form.
pub(super) const MAX_HEADERS: usize = 16;

/// A head of the usual form. The method is GET, and the version 1.1.
#[derive(Debug)]
pub(super) struct UsualHead<'a, 'h> {
    pub(super) target: Target<'a>,
    pub(super) headers: &'h [Header<'a>],
    /// The length of the head.
    pub(super) length: usize,
}

impl<'a, 'h> UsualHead<'a, 'h> {
    /// Parses the head at the beginning of `data`, whose headers are put into `headers`; returns `None` if it is incomplete
    /// or not of the usual form.
    #[inline]
    pub(super) fn parse(data: &'a [u8], headers: &'h mut ArrayVec<Header<'a>, MAX_HEADERS>) -> Option<Self> {
        let (target, mut rest) = request_line(data)?;
        loop {
            if let Some(after) = rest.strip_prefix(b"\r\n") {
                return Some(Self { target, headers, length: data.len() - after.len() });
            }
            let (name, after) = name(rest)?;
            let (value, after) = value(after)?;
            headers.try_push(Header { name, value }).ok()?;
            rest = after;
        }
    }
}

/// Parses the request line. Returns the target, and what follows the line.
#[inline]
fn request_line(data: &[u8]) -> Option<(Target<'_>, &[u8])> {
    let text = data.strip_prefix(b"GET ")?;
    if text.first() != Some(&b'/') {
        return None;
    }
    let (mut length, mut path_bytes, mut is_encoded) = (0, None, false);
    loop {
        match *text.get(length)? {
            byte if PLAIN[usize::from(byte)] => {}
            b'%' => is_encoded |= path_bytes.is_none(),
            b'?' => path_bytes = path_bytes.or(Some(length)),
            b' ' => break,
            _ => return None,
        }
        length += 1;
    }
    let (target, rest) = text.split_at_checked(length)?;
    let rest = rest.strip_prefix(b" HTTP/1.1\r\n")?;
    let (path, query) = match path_bytes {
        None => (target, None),
        Some(end) => (&target[..end], Some(core::str::from_utf8(&target[end + 1..]).ok()?)),
    };
    let path = core::str::from_utf8(path).ok()?;
    Some((Target { path, query, authority: None, is_encoded }, rest))
}

/// Parses the name of a header. Returns it, and what follows the colon and the space.
#[inline]
fn name(line: &[u8]) -> Option<(&[u8], &[u8])> {
    // Those of most requests at once.
    for usual in [b"Host: ".as_slice(), b"Connection: "] {
        if let Some(after) = line.strip_prefix(usual) {
            return Some((&line[..usual.len() - 2], after));
        }
    }
    let mut length = 0;
    while TOKEN[usize::from(*line.get(length)?)] {
        length += 1;
    }
    let (name, rest) = line.split_at_checked(length)?;
    if name.is_empty() { None } else { Some((name, rest.strip_prefix(b": ")?)) }
}

/// Parses the value of a header. Returns it, and what follows the end of the line.
#[inline]
fn value(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut length = 0;
    // Eight bytes at a time.
    while let Some(block) = line.get(length..).and_then(<[u8]>::first_chunk) {
        let controls = controls(u64::from_le_bytes(*block));
        if controls != 0 {
            length += controls.trailing_zeros() as usize / 8;
            break;
        }
        length += 8;
    }
    while !line.get(length)?.is_ascii_control() {
        length += 1;
    }
    let (value, rest) = line.split_at_checked(length)?;
    // Spaces around the value are left out by `httparse`.
    match value {
        [] | [b' ', ..] | [.., b' '] => None,
        _ => Some((value, rest.strip_prefix(b"\r\n")?)),
    }
}

/// Returns a word whose lowest bit that is set is the highest one of the first control character; 0 without one.
#[inline]
const fn controls(text: u64) -> u64 {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    let below_space = text.wrapping_sub(ONES * 0x20) & !text;
    let deletes = text ^ (ONES * 0x7F);
    (below_space | deletes.wrapping_sub(ONES) & !deletes) & (ONES * 0x80)
}

/// Whether a byte is part of a target, and no delimiter.
static PLAIN: [bool; 256] = {
    let mut plain = [false; 256];
    let mut byte = 0x21;
    while byte < 0x7F {
        plain[byte] = byte != b'%' as usize && byte != b'?' as usize;
        byte += 1;
    }
    plain
};

/// Whether a byte is part of a token, such as a header's name (RFC 9110, 5.6.2).
static TOKEN: [bool; 256] = {
    let mut token = [false; 256];
    let mut byte: u8 = 0;
    while byte < 0x7F {
        token[byte as usize] = byte.is_ascii_alphanumeric()
            || matches!(
                byte,
                b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~'
            );
        byte += 1;
    }
    token
};

#[cfg(test)]
mod tests {
    use alloc::format;
    use alloc::vec::Vec;

    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;

    /// Checks that `httparse` takes what this parser takes, and finds the same. Returns whether it was taken.
    fn is_same(data: &[u8]) -> bool {
        let mut headers = ArrayVec::new();
        let Some(head) = UsualHead::parse(data, &mut headers) else { return false };
        let mut headers = [httparse::EMPTY_HEADER; 32];
        let mut request = httparse::Request::new(&mut headers);
        assert_eq!(request.parse(data), Ok(httparse::Status::Complete(head.length)));
        assert_eq!((request.method, request.version), (Some("GET"), Some(1)));
        let target = request.path.unwrap();
        assert_eq!(super::super::target::parse(super::super::Method::Get, target).ok().as_ref(), Some(&head.target));
        let headers: Vec<_> = request.headers.iter().map(|header| (header.name.as_bytes(), header.value)).collect();
        assert_eq!(head.headers.iter().map(|header| (header.name, header.value)).collect::<Vec<_>>(), headers);
        true
    }

    #[test]
    fn usual_heads_are_taken() {
        assert!(is_same(b"GET /hello HTTP/1.1\r\nHost: x\r\nConnection: keep-alive\r\n\r\nGET /"));
        assert!(is_same(
            b"GET /a%20b/?c=%20d?e HTTP/1.1\r\nhost: x:80\r\nUser-Agent: a (b; c) d\r\nAccept: */*\r\n\r\n"
        ));
        assert!(is_same(b"GET / HTTP/1.1\r\n\r\n"));
        assert!(!is_same(b"GET / HTTP/1.1\r\nHost: x\r\n\r"));
        assert!(!is_same(b"GET / HTTP/1.0\r\nHost: x\r\n\r\n"));
        assert!(!is_same(b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n"));
        assert!(!is_same(b"GET * HTTP/1.1\r\nHost: x\r\n\r\n"));
        assert!(!is_same(b"GET / HTTP/1.1\r\nHost : x\r\n\r\n"));
        assert!(!is_same(b"GET / HTTP/1.1\r\nA:\r\n\r\n"));
        let many = "A: b\r\n".repeat(MAX_HEADERS);
        assert!(is_same(format!("GET / HTTP/1.1\r\n{many}\r\n").as_bytes()));
        assert!(!is_same(format!("GET / HTTP/1.1\r\n{many}A: b\r\n\r\n").as_bytes()));
    }

    #[test]
    fn any_byte_is_as_for_httparse() {
        let head = b"GET /abcdefg?hij HTTP/1.1\r\nHost: abcdefghijkl\r\nAccept: a\r\n\r\n";
        for place in 0..head.len() {
            for byte in 0..=255 {
                let mut changed = head.to_vec();
                changed[place] = byte;
                is_same(&changed);
            }
        }
    }

    proptest! {
        #[test]
        fn any_text_is_as_for_httparse(
            pieces in vec(select(&["GET ", "/", "a", " ", "?", "%2", " HTTP/1.1", "\r\n", "\n", "\r", ":", ": ", "Host",
                "Connection: ", "\t", "\u{7f}", "\u{0}", "\u{e9}", "keep-alive", "abcdefghijklm"][..]), 0..24),
            is_whole in any::<bool>(),
        ) {
            let text = pieces.concat();
            let text = if is_whole { format!("GET /{text}\r\n\r\n") } else { format!("GET / HTTP/1.1\r\n{text}\r\n\r\n") };
            is_same(text.as_bytes());
        }
    }
}
