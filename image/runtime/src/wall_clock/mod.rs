//! The date and the time of day (UTC): from the machine's real-time clock at boot, then disciplined by a time server.
//!
//! `embassy_time::Instant` is the other clock: it counts from boot, is never set, and never goes back. Timers and
//! timeouts use that one. The wall clock is this one plus an offset, and only the offset is changed:
//!
//! - [`discipline`] with a small offset, as a time server reports one every few minutes, runs the clock 0.05 % faster or
//!   slower until the offset is gone: such a clock does not go back.
//! - A large offset, or [`set`], steps the clock, backwards, too.
//!
//! A machine without a real-time clock (QEMU's microvm, unless it has `rtc=on`) has no wall clock until a server sets it:
//! [`now`] returns `None`.

mod calendar;
mod discipline;
mod unix_time;

use embassy_time::Instant;
use switchboard::sync::IrqLock;

use self::calendar::DateCache;
use self::discipline::Discipline;
use crate::hal;

pub use self::calendar::HttpDate;
pub use self::discipline::{Adjustment, MAX_SLEWED_OFFSET_NS};
pub use self::unix_time::UnixTime;

static CLOCK: IrqLock<Option<Clock>> = IrqLock::new(None);
static DATE: IrqLock<DateCache> = IrqLock::new(DateCache::new());

/// Where the time of the wall clock comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TimeSource {
    /// From the machine's real-time clock, when the machine booted: it may be minutes off.
    RealTimeClock,
    /// From a time server.
    Server,
}

/// A clock that has been set.
#[derive(Debug, Clone, Copy)]
struct Clock {
    discipline: Discipline,
    source: TimeSource,
}

/// Reads the machine's real-time clock, and sets the wall clock by it; `false` if there is none. `switchboard-boot` calls
/// it once.
pub fn start() -> bool {
    let Some(time) = hal::get().and_then(hal::Hal::real_time_clock).and_then(UnixTime::from_calendar) else {
        return false;
    };
    set_clock(time, TimeSource::RealTimeClock);
    true
}

/// Returns the time; `None` on a machine without a real-time clock, until a server has set it.
///
/// ```standalone_crate
/// # embassy_time_driver::time_driver_impl!(static DRIVER: Stopped = Stopped);
/// # struct Stopped;
/// # impl embassy_time_driver::Driver for Stopped {
/// #     fn now(&self) -> u64 { 1_000_000 }
/// #     fn schedule_wake(&self, _at: u64, _waker: &core::task::Waker) {}
/// # }
/// use switchboard_runtime::wall_clock::{self, Adjustment, TimeSource, UnixTime};
///
/// assert_eq!(wall_clock::now(), None, "a test has no real-time clock");
/// wall_clock::set(UnixTime::from_seconds(1_795_000_000));
/// assert_eq!(wall_clock::now().unwrap().to_string(), "2026-11-18T11:06:40.000Z");
/// assert_eq!(wall_clock::http_date().unwrap().as_str(), "Wed, 18 Nov 2026 11:06:40 GMT");
///
/// assert_eq!(wall_clock::discipline(3_000_000_000), Some(Adjustment::Stepped));
/// assert_eq!(wall_clock::now(), Some(UnixTime::from_seconds(1_795_000_003)));
/// assert_eq!(wall_clock::source(), Some(TimeSource::Server));
/// ```
#[must_use]
pub fn now() -> Option<UnixTime> {
    let clock = *CLOCK.lock();
    clock.map(|clock| clock.discipline.at(now_ns()))
}

/// Returns where the time comes from; `None` when there is none.
#[must_use]
pub fn source() -> Option<TimeSource> {
    let clock = *CLOCK.lock();
    clock.map(|clock| clock.source)
}

/// Sets the clock to the time of a server, at once.
pub fn set(time: UnixTime) {
    set_clock(time, TimeSource::Server);
}

/// Corrects the clock by what a server's time is ahead of it: `offset_ns` is negative for a clock that is fast.
///
/// Up to [`MAX_SLEWED_OFFSET_NS`] it runs faster or slower until the offset is gone; beyond, it is set at once. Returns
/// `None` when there is no time yet, for which [`set`] is.
pub fn discipline(offset_ns: i64) -> Option<Adjustment> {
    let now_ns = now_ns();
    let clock = &mut *CLOCK.lock();
    let clock = clock.as_mut()?;
    clock.source = TimeSource::Server;
    Some(clock.discipline.correct(now_ns, offset_ns))
}

/// Returns the time as HTTP has it (RFC 9110, 5.6.7); `None` without a time.
///
/// The text is made once a second: all other calls read the clock and copy 29 bytes.
#[must_use]
pub fn http_date() -> Option<HttpDate> {
    let now = now()?;
    Some(DATE.lock().get(now))
}

fn set_clock(time: UnixTime, source: TimeSource) {
    let discipline = Discipline::new(now_ns(), time);
    *CLOCK.lock() = Some(Clock { discipline, source });
}

/// Returns the monotonic time in nanoseconds, of a resolution of microseconds.
fn now_ns() -> u64 {
    Instant::now().as_micros() * 1_000
}
