//! Times of files, in seconds since 1970.

use time::{Date, Month};

/// Returns the seconds of a date and a time of day in UTC; `None` for a date that does not exist, or is before 1970.
pub(crate) fn unix_seconds(year: i32, month: u8, day: u8, time: (u8, u8, u8)) -> Option<u64> {
    let date = Date::from_calendar_date(year, Month::try_from(month).ok()?, day).ok()?;
    let (hour, minute, second) = time;
    // A leap second counts as the one before it.
    let time = date.with_hms(hour, minute, second.min(59)).ok()?.assume_utc();
    u64::try_from(time.unix_timestamp()).ok()
}
