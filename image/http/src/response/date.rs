//! Dates of HTTP (RFC 9110, 5.6.7).

use switchboard_runtime::hal::CalendarTime;
use switchboard_runtime::wall_clock::{self, UnixTime};

const MONTHS: [&[u8; 3]; 12] =
    [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];

/// The maximum length of the Server header's value.
const MAX_NAME_BYTES: usize = 64;
const DATE: &[u8; 8] = b"\r\nDate: ";

/// The headers that all responses have, as they are sent: Date, if there is a wall clock, and Server, if it is wanted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CommonHeaders {
    /// Of a fixed length, as all dates are, so that copying it takes few instructions.
    date: Option<[u8; DATE.len() + 29]>,
    server: &'static str,
}

impl CommonHeaders {
    /// Returns the headers of the current second.
    pub(crate) fn now(server: &'static str) -> Self {
        let date = wall_clock::http_date().map(|date| {
            let mut header = [b' '; DATE.len() + 29];
            let (name, value) = header.split_at_mut(DATE.len());
            name.copy_from_slice(DATE);
            // All dates have this length.
            value.iter_mut().zip(date.as_bytes()).for_each(|(place, byte)| *place = *byte);
            header
        });
        Self { date, server: &server[..server.floor_char_boundary(MAX_NAME_BYTES)] }
    }

    /// Writes the headers by `push`.
    #[inline]
    pub(crate) fn compose(&self, push: &mut impl FnMut(&[u8]) -> Option<()>) -> Option<()> {
        if let Some(date) = &self.date {
            push(date)?;
        }
        if !self.server.is_empty() {
            push(b"\r\nServer: ")?;
            push(self.server.as_bytes())?;
        }
        Some(())
    }
}

/// Parses an HTTP date in any of the three formats that RFC 9110, 5.6.7, demands. Returns seconds since 1970.
///
/// ```
/// use switchboard_http::parse_date;
///
/// for date in ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"] {
///     assert_eq!(parse_date(date), Some(784_111_777), "{date}");
/// }
/// assert_eq!(parse_date("yesterday"), None);
/// ```
#[must_use]
pub fn parse_date(text: &str) -> Option<u64> {
    let mut fields = text.split([' ', '-', ',']).filter(|field| !field.is_empty()).skip(1);
    let (first, second, third) = (fields.next()?, fields.next()?, fields.next()?);
    let (day, month, year, time) = match first.as_bytes() {
        // That of C's asctime.
        [b'A'..=b'Z', ..] => (second, first, fields.next()?, third),
        _ => (first, second, third, fields.next()?),
    };
    let month = MONTHS.iter().position(|name| name[..] == *month.as_bytes())?;
    let number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<u16>().ok())?;
    let small = |text: &str| number(text).and_then(|value| u8::try_from(value).ok());
    let year = match year.len() {
        // Two digits: the years 1970 to 2069.
        2 => number(year).map(|year| if year < 70 { year + 2000 } else { year + 1900 })?,
        _ => number(year).filter(|year| (1970..10_000).contains(year))?,
    };
    let mut parts = time.split(':').map(small);
    let (hour, minute, second) = (parts.next()??, parts.next()??, parts.next()??);
    if second > 60 {
        return None;
    }
    let month = u8::try_from(month + 1).ok()?;
    let time = CalendarTime { year, month, day: small(day)?, hour, minute, second };
    UnixTime::from_calendar(time).map(UnixTime::seconds)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn dates_that_do_not_exist_are_refused() {
        let leap = parse_date("Sat, 31 Dec 2016 23:59:60 GMT");
        assert_eq!(leap, parse_date("Sat, 31 Dec 2016 23:59:59 GMT"));
        assert_eq!(leap, Some(1_483_228_799));
        for date in ["Tue, 30 Feb 2016 00:00:00 GMT", "Fri, 31 Dec 2016 24:00:00 GMT", "Fri, 31 Dec 2016 23:59:61 GMT"]
        {
            assert_eq!(parse_date(date), None, "{date}");
        }
    }

    proptest! {
        #[test]
        fn formatted_dates_are_parsed(seconds in 0..=253_402_300_799_u64) {
            let seconds = seconds.min(18_000_000_000);
            prop_assert_eq!(parse_date(UnixTime::from_seconds(seconds).http_date().as_str()), Some(seconds));
        }

        #[test]
        fn any_text_is_parsed_or_refused(text in ".{0,40}") {
            let _ = parse_date(&text);
        }
    }
}
