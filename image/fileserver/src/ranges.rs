//! The Range header (RFC 9110, 14).

use alloc::vec::Vec;
use core::ops::Range;

/// The most ranges that are served for one request: more are refused, as a flood of them would be (RFC 9110, 14.2).
const MAX_RANGES: usize = 16;

/// The error of ranges that the file does not have; the response is 416 (RFC 9110, 15.5.17).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no such bytes in a file of {size}")]
#[non_exhaustive]
pub struct RangeError {
    /// The size of the file, in bytes.
    pub size: u64,
}

/// Parses the value of a Range header for a file of `size` bytes. Returns the ranges that the file has, in the order of
/// the header; none for a header that is not supported (other units, bad syntax), or has more ranges than are sensible,
/// which is ignored (RFC 9110, 14.2). Ranges that overlap or touch are joined.
///
/// ```
/// use switchboard_fileserver::parse_ranges;
///
/// assert_eq!(parse_ranges("bytes=2-4", 10), Ok(vec![2..5]));
/// assert_eq!(parse_ranges("bytes=-3", 10), Ok(vec![7..10]), "the last three bytes");
/// assert_eq!(parse_ranges("bytes=6-7, 0-1", 10), Ok(vec![6..8, 0..2]));
/// assert_eq!(parse_ranges("bytes=0-3, 2-5", 10), Ok(vec![0..6]));
/// assert_eq!(parse_ranges("lines=1-2", 10), Ok(vec![]));
/// assert_eq!(parse_ranges("bytes=10-", 10).map_err(|error| error.size), Err(10));
/// ```
///
/// # Errors
/// [`RangeError`] when all ranges begin past the end, or are empty suffixes.
pub fn parse_ranges(value: &str, size: u64) -> Result<Vec<Range<u64>>, RangeError> {
    let Some((unit, list)) = value.split_once('=') else { return Ok(Vec::new()) };
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return Ok(Vec::new());
    }
    let mut ranges: Vec<Range<u64>> = Vec::new();
    let mut count = 0;
    for item in list.split(',').map(str::trim).filter(|item| !item.is_empty()) {
        let Some(range) = parse_range(item, size) else { return Ok(Vec::new()) };
        count += 1;
        if count > MAX_RANGES {
            return Ok(Vec::new());
        }
        if !range.is_empty() {
            join(&mut ranges, range);
        }
    }
    match count {
        0 => Ok(Vec::new()),
        _ if ranges.is_empty() => Err(RangeError { size }),
        _ => Ok(ranges),
    }
}

/// Adds a range, and joins those that overlap it or touch it, at the place of the first of them.
fn join(ranges: &mut Vec<Range<u64>>, mut range: Range<u64>) {
    let mut place = None;
    let mut index = 0;
    while let Some(other) = ranges.get(index) {
        if other.start > range.end || range.start > other.end {
            index += 1;
            continue;
        }
        range = other.start.min(range.start)..other.end.max(range.end);
        ranges.remove(index);
        place = Some(place.unwrap_or(index));
        // What was joined may touch one before it.
        index = 0;
    }
    let place = place.unwrap_or(ranges.len()).min(ranges.len());
    ranges.insert(place, range);
}

/// Parses one range; an empty one when the file does not have it, `None` for bad syntax.
fn parse_range(item: &str, size: u64) -> Option<Range<u64>> {
    let (first, last) = item.split_once('-')?;
    match (number(first), number(last)) {
        (Some(first), None) if last.is_empty() => Some(first.min(size)..size),
        (Some(first), Some(last)) if first <= last => Some(first.min(size)..size.min(last.saturating_add(1))),
        // A suffix: the last so many bytes.
        (None, Some(suffix)) if first.is_empty() => Some(size.saturating_sub(suffix)..size),
        _ => None,
    }
}

/// Parses digits only: `parse` accepts a sign as well. Numbers that do not fit are as good as the largest.
fn number(text: &str) -> Option<u64> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
#[expect(clippy::single_range_in_vec_init, reason = "the result is a list of ranges")]
mod tests {
    use super::*;

    #[test]
    fn a_range_of_bytes_is_parsed() {
        assert_eq!(parse_ranges("bytes=0-", 10).as_deref(), Ok(&[0..10][..]));
        assert_eq!(parse_ranges("bytes=2-4", 10).as_deref(), Ok(&[2..5][..]));
        assert_eq!(parse_ranges("Bytes = 9-100", 10).as_deref(), Ok(&[9..10][..]));
        assert_eq!(parse_ranges("bytes=-3", 10).as_deref(), Ok(&[7..10][..]));
        assert_eq!(parse_ranges("bytes=-30", 10).as_deref(), Ok(&[0..10][..]));
        assert_eq!(parse_ranges("bytes=0-99999999999999999999", 10).as_deref(), Ok(&[0..10][..]));
    }

    #[test]
    fn ranges_past_the_end_are_errors() {
        for value in ["bytes=10-", "bytes=10-12", "bytes=-0", "bytes=18446744073709551615-", "bytes=10-, 11-12"] {
            assert_eq!(parse_ranges(value, 10), Err(RangeError { size: 10 }), "{value}");
        }
        assert_eq!(parse_ranges("bytes=0-", 0), Err(RangeError { size: 0 }));
        assert_eq!(parse_ranges("bytes=99-, 0-1", 10).as_deref(), Ok(&[0..2][..]), "one that the file has is enough");
    }

    #[test]
    fn unsupported_ranges_are_ignored() {
        for value in ["", "bytes", "bytes=", "bytes=-", "bytes=4-2", "bytes=0-1,x", "lines=1-2", "bytes=+1-2"] {
            assert_eq!(parse_ranges(value, 10).as_deref(), Ok(&[][..]), "{value}");
        }
        let many = alloc::format!("bytes={}", "0-0,".repeat(MAX_RANGES + 1));
        assert_eq!(parse_ranges(&many, 10).as_deref(), Ok(&[][..]));
    }

    #[test]
    fn ranges_that_overlap_are_joined() {
        assert_eq!(parse_ranges("bytes=0-1,2-3", 10).as_deref(), Ok(&[0..4][..]));
        assert_eq!(parse_ranges("bytes=4-5,0-1,2-3", 10).as_deref(), Ok(&[0..6][..]));
        assert_eq!(parse_ranges("bytes=8-9,0-1,1-4", 10).as_deref(), Ok(&[8..10, 0..5][..]));
    }
}
