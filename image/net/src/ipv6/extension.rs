//! The headers between the IPv6 header and the upper-layer packet: walked over, with the checks that a host has to make
//! (RFC 8200, 4).

use super::frame::{HOP_BY_HOP, u16_at, u32_at};

const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const NO_NEXT_HEADER: u8 = 59;
const DESTINATION_OPTIONS: u8 = 60;
const AUTHENTICATION: u8 = 51;
/// Headers of a packet at most: each costs time, and none has a use for more.
const MAX_HEADERS: usize = 8;
/// Options of a header at most (RFC 8504, 5.3).
const MAX_OPTIONS: usize = 16;

/// A fragment header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fragment {
    pub(crate) identification: u32,
    /// In bytes.
    pub(crate) offset: usize,
    pub(crate) has_more: bool,
    /// The protocol of what is fragmented.
    pub(crate) next_header: u8,
}

/// What follows the headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Walk {
    /// An upper-layer packet at an offset of the payload.
    Upper { protocol: u8, offset: usize },
    /// The part of a packet at an offset of the payload.
    Fragment { fragment: Fragment, offset: usize },
    /// Dropped without an answer.
    Drop,
    /// Dropped, with a parameter problem of this code at an offset of the payload (RFC 4443, 3.4).
    Problem { code: u8, offset: usize },
}

/// The first header in error.
const ERRONEOUS_FIELD: u8 = 0;
pub(crate) const UNKNOWN_NEXT_HEADER: u8 = 1;
const UNKNOWN_OPTION: u8 = 2;

/// Walks over the headers of a packet's payload, from the type that the IPv6 header has.
pub(crate) fn walk(next_header: u8, payload: &[u8], is_multicast: bool) -> Walk {
    let (mut protocol, mut offset) = (next_header, 0);
    for index in 0..=MAX_HEADERS {
        let rest = payload.get(offset..).unwrap_or_default();
        match protocol {
            HOP_BY_HOP if index > 0 => return Walk::Problem { code: UNKNOWN_NEXT_HEADER, offset },
            HOP_BY_HOP | DESTINATION_OPTIONS | ROUTING => {
                let Some((next, length)) = header(rest) else { return Walk::Drop };
                if protocol == ROUTING {
                    // A host is no hop: with segments left there is nothing to do but to refuse, and type 0 with none is
                    // refused too (RFC 5095, 3).
                    let (kind, segments_left) = (rest[2], rest[3]);
                    if segments_left != 0 || kind == 0 {
                        return Walk::Problem { code: ERRONEOUS_FIELD, offset: offset + 2 };
                    }
                } else if let Err(walk) = check_options(&rest[2..length], offset + 2, is_multicast) {
                    return walk;
                }
                (protocol, offset) = (next, offset + length);
            }
            FRAGMENT => {
                let (Some(word), Some(identification)) = (u16_at(rest, 2), u32_at(rest, 4)) else { return Walk::Drop };
                let fragment = Fragment {
                    identification,
                    offset: usize::from(word & !7),
                    has_more: word & 1 != 0,
                    next_header: rest[0],
                };
                // A packet in one fragment is no part of another (RFC 6946, 4).
                if fragment.offset == 0 && !fragment.has_more {
                    (protocol, offset) = (fragment.next_header, offset + 8);
                    continue;
                }
                return Walk::Fragment { fragment, offset: offset + 8 };
            }
            AUTHENTICATION | NO_NEXT_HEADER => return Walk::Drop,
            _ => return Walk::Upper { protocol, offset },
        }
    }
    Walk::Drop
}

/// Returns the type of the header behind this one, and the length of this one.
fn header(bytes: &[u8]) -> Option<(u8, usize)> {
    let length = (usize::from(*bytes.get(1)?) + 1) * 8;
    (length <= bytes.len()).then_some((bytes[0], length))
}

/// Checks options: an unknown one is handled by the two highest bits of its type (RFC 8200, 4.2).
fn check_options(options: &[u8], offset: usize, is_multicast: bool) -> Result<(), Walk> {
    const PAD: u8 = 0;
    const PAD_N: u8 = 1;
    const ROUTER_ALERT: u8 = 5;
    let mut at = 0;
    for _ in 0..MAX_OPTIONS {
        let Some(kind) = options.get(at).copied() else { return Ok(()) };
        if kind == PAD {
            at += 1;
            continue;
        }
        let end = at + 2 + usize::from(*options.get(at + 1).ok_or(Walk::Drop)?);
        if end > options.len() {
            return Err(Walk::Drop);
        }
        let problem = Walk::Problem { code: UNKNOWN_OPTION, offset: offset + at };
        match kind {
            PAD_N | ROUTER_ALERT | 0..0x40 => {}
            0x40..0x80 => return Err(Walk::Drop),
            0x80..0xc0 => return Err(problem),
            0xc0.. => return Err(if is_multicast { Walk::Drop } else { problem }),
        }
        at = end;
    }
    if at < options.len() { Err(Walk::Drop) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::super::frame::{ICMPV6, TCP, UDP};
    use super::*;

    #[test]
    fn headers_before_a_segment_are_skipped() {
        assert_eq!(walk(TCP, &[], false), Walk::Upper { protocol: TCP, offset: 0 });
        let headers =
            [DESTINATION_OPTIONS, 0, 5, 2, 0, 0, 1, 0, ROUTING, 0, 1, 4, 0, 0, 0, 0, UDP, 0, 4, 0, 0, 0, 0, 0, 9];
        assert_eq!(walk(HOP_BY_HOP, &headers, false), Walk::Upper { protocol: UDP, offset: 24 });
        for length in 0..24 {
            assert!(!matches!(walk(HOP_BY_HOP, &headers[..length], false), Walk::Upper { protocol: UDP, .. }));
        }
    }

    #[test]
    fn routing_headers_that_ask_for_forwarding_are_refused() {
        for (kind, left) in [(0, 0), (0, 1), (4, 1)] {
            let problem = Walk::Problem { code: 0, offset: 2 };
            assert_eq!(walk(ROUTING, &[TCP, 0, kind, left, 0, 0, 0, 0], false), problem);
        }
    }

    #[test]
    fn unknown_options_are_handled_by_their_type() {
        let options = |kind| [ICMPV6, 0, kind, 4, 0, 0, 0, 0];
        assert_eq!(walk(DESTINATION_OPTIONS, &options(0x3e), false), Walk::Upper { protocol: ICMPV6, offset: 8 });
        assert_eq!(walk(DESTINATION_OPTIONS, &options(0x7e), false), Walk::Drop);
        assert_eq!(walk(DESTINATION_OPTIONS, &options(0xbe), true), Walk::Problem { code: 2, offset: 2 });
        assert_eq!(walk(DESTINATION_OPTIONS, &options(0xfe), true), Walk::Drop);
        assert_eq!(walk(DESTINATION_OPTIONS, &options(0xfe), false), Walk::Problem { code: 2, offset: 2 });
        assert_eq!(walk(DESTINATION_OPTIONS, &[TCP, 0, 1, 5, 0, 0, 0, 0], false), Walk::Drop, "too long");
    }

    #[test]
    fn fragments_are_found_and_a_single_one_is_a_packet() {
        let fragment = Fragment { identification: 7, offset: 8, has_more: true, next_header: TCP };
        assert_eq!(walk(FRAGMENT, &[TCP, 0, 0, 9, 0, 0, 0, 7], false), Walk::Fragment { fragment, offset: 8 });
        assert_eq!(walk(FRAGMENT, &[TCP, 0, 0, 0, 0, 0, 0, 7], false), Walk::Upper { protocol: TCP, offset: 8 });
    }

    #[test]
    fn chains_without_an_end_are_dropped() {
        let chain = [DESTINATION_OPTIONS, 0, 1, 4, 0, 0, 0, 0].repeat(100);
        assert_eq!(walk(DESTINATION_OPTIONS, &chain, false), Walk::Drop);
        let padding = [&[TCP, 2][..], &[0; 22]].concat();
        assert_eq!(walk(DESTINATION_OPTIONS, &padding, false), Walk::Drop, "more than 16 options");
        let nested = [HOP_BY_HOP, 0, 1, 4, 0, 0, 0, 0].repeat(2);
        assert_eq!(walk(HOP_BY_HOP, &nested, false), Walk::Problem { code: 1, offset: 8 });
    }
}
