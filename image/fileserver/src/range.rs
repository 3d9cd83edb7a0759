//! The Range header (RFC 9110, 14.2), for one range of bytes.

use core::ops::Range;

/// The error of a range that the file does not have; the response is 416 (RFC 9110, 15.5.17).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no such bytes in a file of {size}")]
#[non_exhaustive]
pub struct RangeError {
    /// The size of the file, in bytes.
    pub size: u64,
}

/// Parses the value of a Range header for a file of `size` bytes. Returns `None` for a header that is not supported (other
/// units, several ranges, bad syntax), which has to be ignored (RFC 9110, 14.2).
///
/// ```
/// use switchboard_fileserver::parse_range;
///
/// assert_eq!(parse_range("bytes=2-4", 10), Ok(Some(2..5)));
/// assert_eq!(parse_range("bytes=-3", 10), Ok(Some(7..10)), "the last three bytes");
/// assert_eq!(parse_range("lines=1-2", 10), Ok(None));
/// assert_eq!(parse_range("bytes=10-", 10).map_err(|error| error.size), Err(10));
/// ```
///
/// # Errors
/// [`RangeError`] when the range begins past the end, or is an empty suffix.
pub fn parse_range(value: &str, size: u64) -> Result<Option<Range<u64>>, RangeError> {
    let Some((first, last)) = value.strip_prefix("bytes=").and_then(|range| range.split_once('-')) else {
        return Ok(None);
    };
    let range = match (number(first), number(last)) {
        (Some(first), None) if last.is_empty() => first..size,
        (Some(first), Some(last)) if first <= last => first..size.min(last.saturating_add(1)),
        // A suffix: the last so many bytes.
        (None, Some(suffix)) if first.is_empty() => size.saturating_sub(suffix)..size,
        _ => return Ok(None),
    };
    if range.is_empty() { Err(RangeError { size }) } else { Ok(Some(range)) }
}

/// Parses digits only: `parse` accepts a sign as well.
fn number(text: &str) -> Option<u64> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_of_bytes_is_parsed() {
        assert_eq!(parse_range("bytes=0-", 10), Ok(Some(0..10)));
        assert_eq!(parse_range("bytes=2-4", 10), Ok(Some(2..5)));
        assert_eq!(parse_range("bytes=9-100", 10), Ok(Some(9..10)));
        assert_eq!(parse_range("bytes=-3", 10), Ok(Some(7..10)));
        assert_eq!(parse_range("bytes=-30", 10), Ok(Some(0..10)));
    }

    #[test]
    fn ranges_past_the_end_are_errors() {
        for value in ["bytes=10-", "bytes=10-12", "bytes=-0", "bytes=18446744073709551615-"] {
            assert_eq!(parse_range(value, 10), Err(RangeError { size: 10 }), "{value}");
        }
        assert_eq!(parse_range("bytes=0-", 0), Err(RangeError { size: 0 }));
    }

    #[test]
    fn unsupported_ranges_are_ignored() {
        for value in ["", "bytes", "bytes=", "bytes=-", "bytes=4-2", "bytes=0-1,3-4", "lines=1-2", "bytes=+1-2"] {
            assert_eq!(parse_range(value, 10), Ok(None), "{value}");
        }
    }
}
