//! The calendar, by the crate `time`, and the dates of HTTP.

use core::fmt;

use time::{Date, Month, OffsetDateTime};

use super::UnixTime;
use crate::hal::CalendarTime;

/// The length of HTTP's date.
const LENGTH: usize = 29;

/// Returns the date of seconds since 1970; the last that the calendar has, for one beyond.
pub(super) fn from_seconds(seconds: u64) -> OffsetDateTime {
    let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
    OffsetDateTime::from_unix_timestamp(seconds).unwrap_or_else(|_| Date::MAX.midnight().assume_utc())
}

/// Returns the time of a calendar; `None` for a date that does not exist, or is before 1970.
pub(super) fn from_calendar(time: CalendarTime) -> Option<UnixTime> {
    let CalendarTime { year, month, day, hour, minute, second } = time;
    let date = Date::from_calendar_date(year.into(), Month::try_from(month).ok()?, day).ok()?;
    // A leap second counts as the one before it.
    let time = date.with_hms(hour, minute, second.min(59)).ok()?.assume_utc();
    u64::try_from(time.unix_timestamp()).ok().map(UnixTime::from_seconds)
}

/// A date of HTTP (IMF-fixdate of RFC 9110, 5.6.7): `Wed, 18 Nov 2026 11:06:40 GMT`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct HttpDate([u8; LENGTH]);

impl HttpDate {
    /// Makes the date of seconds since 1970.
    pub(super) fn new(seconds: u64) -> Self {
        let date = from_seconds(seconds);
        let (hour, minute, second) = date.to_hms();
        let weekday = b"MonTueWedThuFriSatSun";
        let months = b"JanFebMarAprMayJunJulAugSepOctNovDec";
        let mut text = *b"___, 00 ___ 0000 00:00:00 GMT";
        let day_at = 3 * usize::from(date.weekday().number_days_from_monday());
        let month_at = 3 * (usize::from(u8::from(date.month())) - 1);
        text[..3].copy_from_slice(&weekday[day_at..day_at + 3]);
        text[8..11].copy_from_slice(&months[month_at..month_at + 3]);
        let year = date.year().unsigned_abs();
        for (at, value) in [
            (5, u32::from(date.day())),
            (12, year / 100),
            (14, year % 100),
            (17, hour.into()),
            (20, minute.into()),
            (23, second.into()),
        ] {
            // Lossless: digits.
            text[at] = b'0' + (value / 10 % 10) as u8;
            text[at + 1] = b'0' + (value % 10) as u8;
        }
        Self(text)
    }

    /// Returns the 29 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; LENGTH] {
        &self.0
    }

    /// Returns the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for HttpDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for HttpDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The date of the last second that was asked for.
#[derive(Debug)]
pub(super) struct DateCache {
    second: u64,
    date: Option<HttpDate>,
}

impl DateCache {
    /// Makes an empty cache.
    pub(super) const fn new() -> Self {
        Self { second: 0, date: None }
    }

    /// Returns the date of a time.
    pub(super) fn get(&mut self, time: UnixTime) -> HttpDate {
        let second = time.seconds();
        match self.date {
            Some(date) if self.second == second => date,
            _ => {
                let date = HttpDate::new(second);
                *self = Self { second, date: Some(date) };
                date
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn dates_of_http() {
        for (seconds, text) in [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (951_782_399, "Mon, 28 Feb 2000 23:59:59 GMT"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"),
            (253_402_300_799, "Fri, 31 Dec 9999 23:59:59 GMT"),
        ] {
            assert_eq!(HttpDate::new(seconds).as_str(), text);
        }
    }

    #[test]
    fn the_cache_follows_the_second() {
        let mut cache = DateCache::new();
        for nanoseconds in [0, 1, 999_999_999, 1_000_000_000, 86_400_000_000_000, 5] {
            let time = UnixTime::from_nanoseconds(nanoseconds);
            assert_eq!(cache.get(time), time.http_date(), "{nanoseconds}");
        }
    }

    #[test]
    fn a_calendar_time_is_checked() {
        let time = CalendarTime { year: 2026, month: 11, day: 18, hour: 11, minute: 6, second: 40 };
        assert_eq!(from_calendar(time), Some(UnixTime::from_seconds(1_795_000_000)));
        assert_eq!(from_calendar(CalendarTime { month: 2, day: 30, ..time }), None);
        assert_eq!(from_calendar(CalendarTime { year: 1969, ..time }), None);
        let leap = from_calendar(CalendarTime { second: 60, ..time }).map(|time| time.to_string());
        assert_eq!(leap.as_deref(), Some("2026-11-18T11:06:59.000Z"));
    }

    #[test]
    fn the_last_times_have_dates() {
        assert_eq!(UnixTime::from_nanoseconds(u64::MAX).to_string(), "2554-07-21T23:34:33.709Z");
        assert_eq!(HttpDate::new(u64::MAX).as_str(), "Fri, 31 Dec 9999 00:00:00 GMT");
    }
}
