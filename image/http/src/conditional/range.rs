//! Ranges (RFC 9110, 14).

use alloc::format;
use alloc::vec::Vec;
use core::ops::Range;

use super::precondition::{Conditions, Validators};
use crate::response::{Response, StatusCode};

/// The maximum number of ranges of a request; with more, the whole is sent (RFC 9110, 14.2 and 17.15).
const MAX_RANGES: usize = 16;

/// What a request selects of a representation.
///
/// ```
/// use switchboard_http::{Conditions, RangeSelection, Request, Validators};
///
/// let select = |range: &str| {
///     let head = format!("GET / HTTP/1.1\r\nHost: x\r\nRange: {range}\r\n\r\n");
///     let validators = Validators::default();
///     Request::parse(head.as_bytes(), |request| Conditions::new(request).select(&validators, 10)).unwrap()
/// };
/// assert_eq!(select("bytes=2-4"), RangeSelection::Part(2..5));
/// assert_eq!(select("bytes=0-0,-2"), RangeSelection::Parts(vec![0..1, 8..10]));
/// assert_eq!(select("bytes=10-"), RangeSelection::Unsatisfiable);
/// assert_eq!(select("lines=1-2"), RangeSelection::Whole);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RangeSelection {
    /// The whole: 200. So are ranges that are invalid or of other units, which have to be ignored (RFC 9110, 14.2).
    Whole,
    /// One range: 206.
    Part(Range<u64>),
    /// Several ranges that neither overlap nor touch: 206 with a [`Multipart`](super::Multipart) body.
    Parts(Vec<Range<u64>>),
    /// None of the ranges exists: [`unsatisfiable`](Self::unsatisfiable).
    Unsatisfiable,
}

impl Conditions {
    /// Evaluates Range and If-Range for a representation of `size` bytes.
    #[must_use]
    pub fn select(&self, validators: &Validators, size: u64) -> RangeSelection {
        match &self.range {
            Some(value) if self.permits_range(validators) => RangeSelection::parse(value, size),
            _ => RangeSelection::Whole,
        }
    }
}

impl RangeSelection {
    fn parse(value: &str, size: u64) -> Self {
        let Some((unit, set)) = value.split_once('=') else { return Self::Whole };
        if !unit.trim().eq_ignore_ascii_case("bytes") {
            return Self::Whole;
        }
        let (mut ranges, mut count) = (Vec::new(), 0);
        for range in set.split(',').map(str::trim).filter(|range| !range.is_empty()) {
            count += 1;
            let Some(range) = range_of(range, size).filter(|_| count <= MAX_RANGES) else { return Self::Whole };
            if !range.is_empty() {
                insert(&mut ranges, range);
            }
        }
        match (count, ranges.len()) {
            (0, _) => Self::Whole,
            (_, 0) => Self::Unsatisfiable,
            (_, 1) => Self::Part(ranges.swap_remove(0)),
            _ => Self::Parts(ranges),
        }
    }

    /// Returns the response to ranges that do not exist: 416.
    #[must_use]
    pub fn unsatisfiable(size: u64) -> Response {
        let response = Response::text(StatusCode::RANGE_NOT_SATISFIABLE, "No such bytes\n");
        response.with_header("Content-Range", format!("bytes */{size}"))
    }
}

/// Adds a range. Those that it overlaps or touches are merged into the first of them.
fn insert(ranges: &mut Vec<Range<u64>>, range: Range<u64>) {
    let touches = |other: &Range<u64>, range: &Range<u64>| other.start <= range.end && range.start <= other.end;
    let (mut merged, mut place) = (range, ranges.len());
    let mut index = 0;
    while index < ranges.len() {
        if touches(&ranges[index], &merged) {
            let other = ranges.remove(index);
            merged = merged.start.min(other.start)..merged.end.max(other.end);
            place = place.min(index);
            // The larger range may touch one that was passed.
            index = 0;
        } else {
            index += 1;
        }
    }
    ranges.insert(place.min(ranges.len()), merged);
}

/// Parses one range; an empty one if no byte of it exists. Returns `None` for an invalid one.
fn range_of(range: &str, size: u64) -> Option<Range<u64>> {
    let (first, last) = range.split_once('-')?;
    if first.is_empty() {
        // A suffix: the last so many bytes.
        return Some(size.saturating_sub(number(last)?)..size);
    }
    let first = number(first)?;
    let end = if last.is_empty() { u64::MAX } else { number(last).filter(|last| first <= *last)?.saturating_add(1) };
    Some(first.min(size)..end.min(size))
}

/// Parses digits only: `parse` accepts a sign as well. A number that is too large is the largest one.
fn number(text: &str) -> Option<u64> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use alloc::string::String;
    use alloc::vec;

    use proptest::prelude::*;

    use super::RangeSelection::{Part, Parts, Unsatisfiable, Whole};
    use super::*;

    #[test]
    fn ranges_are_selected() {
        for (value, expected) in [
            ("bytes=0-", Part(0..10)),
            ("Bytes = 2-4", Part(2..5)),
            ("bytes=9-100", Part(9..10)),
            ("bytes=-3", Part(7..10)),
            ("bytes=-30", Part(0..10)),
            ("bytes=0-99999999999999999999999", Part(0..10)),
            ("bytes=0-1,,3-4 , 8-", Parts(vec![0..2, 3..5, 8..10])),
            ("bytes=5-6,0-1", Parts(vec![5..7, 0..2])),
            ("bytes=0-1,2-4", Part(0..5)),
            ("bytes=0-1,8-9,1-8", Part(0..10)),
            ("bytes=0-1,20-30", Part(0..2)),
            ("bytes=20-30,-0", Unsatisfiable),
            ("bytes=10-", Unsatisfiable),
            ("bytes=10-12", Unsatisfiable),
            ("bytes=18446744073709551615-", Unsatisfiable),
            ("bytes=10-, 11-12", Unsatisfiable),
            ("bytes=99-, 0-1", Part(0..2)),
            ("bytes=0-1,2-3", Part(0..4)),
            ("bytes=4-5,0-1,2-3", Part(0..6)),
            ("bytes=8-9,0-1,1-4", Parts(vec![8..10, 0..5])),
            ("bytes=-0", Unsatisfiable),
            ("", Whole),
            ("bytes", Whole),
            ("bytes=", Whole),
            ("bytes=-", Whole),
            ("bytes=4-2", Whole),
            ("bytes=1-2,x", Whole),
            ("bytes=+1-2", Whole),
            ("lines=1-2", Whole),
        ] {
            assert_eq!(RangeSelection::parse(value, 10), expected, "{value}");
        }
        assert_eq!(RangeSelection::parse("bytes=0-", 0), Unsatisfiable);
        let many = String::from("bytes=") + &"0-0,".repeat(17);
        assert_eq!(RangeSelection::parse(&many, 10), Whole);
    }

    proptest! {
        #[test]
        fn parts_neither_overlap_nor_touch(value in "bytes=([0-9]{0,2}-[0-9]{0,2},){0,16}", size in 0..100_u64) {
            match RangeSelection::parse(&value, size) {
                Part(range) => prop_assert!(!range.is_empty() && range.end <= size),
                Parts(ranges) => {
                    for (index, range) in ranges.iter().enumerate() {
                        prop_assert!(!range.is_empty() && range.end <= size);
                        let touches = |other: &Range<u64>| other.start <= range.end && range.start <= other.end;
                        prop_assert!(!ranges[index + 1..].iter().any(touches));
                    }
                }
                Whole | Unsatisfiable => {}
            }
        }
    }
}
