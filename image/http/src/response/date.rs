//! Dates of HTTP (RFC 9110, 5.6.7).

use switchboard_runtime::wall_clock;

const MONTHS: [&[u8; 3]; 12] =
    [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];
const SECONDS_PER_DAY: u64 = 24 * 3600;

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
    let month = MONTHS.iter().position(|name| name[..] == *month.as_bytes())? as u64;
    let number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<u64>().ok())?;
    let (day, year) = (
        number(day)?,
        match year.len() {
            // Two digits: the years 1970 to 2069.
            2 => number(year).map(|year| if year < 70 { year + 2000 } else { year + 1900 })?,
            _ => number(year).filter(|year| (1970..10_000).contains(year))?,
        },
    );
    let mut parts = time.split(':').map(number);
    let (hour, minute, second) = (parts.next()??, parts.next()??, parts.next()??);
    if !(1..=31).contains(&day) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    // Years begin in March here, too.
    let (year, month) = if month < 2 { (year - 1, month + 10) } else { (year, month - 2) };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1;
    days.checked_sub(719_468).map(|days| days * SECONDS_PER_DAY + hour * 3600 + minute * 60 + second)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use switchboard_runtime::wall_clock::UnixTime;

    use super::*;

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
