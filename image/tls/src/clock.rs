//! The clock of rustls.

use core::time::Duration;

use embassy_time::Instant;
use rustls::pki_types::UnixTime;
use rustls::time_provider::TimeProvider;
use switchboard_runtime::wall_clock;

/// The wall clock. Without one, certificates cannot be verified, and connections of a client fail.
#[derive(Debug)]
pub(crate) struct WallClock;

impl TimeProvider for WallClock {
    fn current_time(&self) -> Option<UnixTime> {
        let now = wall_clock::now()?;
        Some(UnixTime::since_unix_epoch(Duration::from_secs(now.seconds())))
    }
}

/// The wall clock, or without one the time since boot: a server that does not verify certificates needs the age of its
/// tickets alone.
#[derive(Debug)]
pub(crate) struct ServerClock;

impl TimeProvider for ServerClock {
    fn current_time(&self) -> Option<UnixTime> {
        let since_boot = || UnixTime::since_unix_epoch(Duration::from_secs(Instant::now().as_secs()));
        Some(WallClock.current_time().unwrap_or_else(since_boot))
    }
}
