//! Points in time, as Unix counts them.

use core::fmt;

use super::calendar;
use crate::hal::CalendarTime;

/// A point in time: nanoseconds since 1970-01-01T00:00:00Z, without leap seconds, until 2554.
///
/// Displays as RFC 3339 has it, with milliseconds.
///
/// ```
/// use switchboard_runtime::wall_clock::UnixTime;
///
/// let time = UnixTime::from_nanoseconds(1_795_000_000_250_000_000);
/// assert_eq!((time.seconds(), time.subsecond_nanoseconds()), (1_795_000_000, 250_000_000));
/// assert_eq!(time.to_string(), "2026-11-18T11:06:40.250Z");
/// assert_eq!(time.http_date().as_str(), "Wed, 18 Nov 2026 11:06:40 GMT");
/// assert!(time > UnixTime::from_seconds(0));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixTime {
    nanoseconds: u64,
}

impl UnixTime {
    /// Makes a time of seconds since 1970.
    #[must_use]
    pub const fn from_seconds(seconds: u64) -> Self {
        Self { nanoseconds: seconds.saturating_mul(1_000_000_000) }
    }

    /// Makes a time of nanoseconds since 1970.
    #[must_use]
    pub const fn from_nanoseconds(nanoseconds: u64) -> Self {
        Self { nanoseconds }
    }

    /// Makes a time of a date and a time of day in UTC. Returns `None` for a date that does not exist, or is before 1970. A leap
    /// second counts as the one before it.
    ///
    /// ```
    /// use switchboard_runtime::hal::CalendarTime;
    /// use switchboard_runtime::wall_clock::UnixTime;
    ///
    /// let time = CalendarTime { year: 2026, month: 11, day: 18, hour: 11, minute: 6, second: 40 };
    /// assert_eq!(UnixTime::from_calendar(time), Some(UnixTime::from_seconds(1_795_000_000)));
    /// assert_eq!(UnixTime::from_calendar(CalendarTime { month: 2, day: 30, ..time }), None);
    /// ```
    #[must_use]
    pub fn from_calendar(time: CalendarTime) -> Option<Self> {
        calendar::from_calendar(time)
    }

    /// Returns the whole seconds since 1970.
    #[must_use]
    pub const fn seconds(self) -> u64 {
        self.nanoseconds / 1_000_000_000
    }

    /// Returns the nanoseconds since the last whole second.
    #[must_use]
    pub const fn subsecond_nanoseconds(self) -> u32 {
        // Lossless: less than a billion.
        (self.nanoseconds % 1_000_000_000) as u32
    }

    /// Returns the nanoseconds since 1970.
    #[must_use]
    pub const fn nanoseconds(self) -> u64 {
        self.nanoseconds
    }

    /// Returns the time in HTTP's format (RFC 9110, 5.6.7), as `Date` and `Last-Modified` have it.
    #[must_use]
    pub fn http_date(self) -> calendar::HttpDate {
        calendar::HttpDate::new(self.seconds())
    }
}

impl fmt::Display for UnixTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let date = calendar::from_seconds(self.seconds());
        let (year, month, day) = date.to_calendar_date();
        let (hour, minute, second) = date.to_hms();
        let millisecond = self.subsecond_nanoseconds() / 1_000_000;
        let month = u8::from(month);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millisecond:03}Z")
    }
}
