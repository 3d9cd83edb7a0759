//! The log lines of a configuration's changes.

use core::fmt;

use smoltcp::time::Duration;
use switchboard::config::Address;

use super::InterfaceConfig;
use crate::rate_limit::RateLimit;

/// Changes that are logged at once after a quiet time, and the time in which another is earned: peers can cause changes.
const BURST: u32 = 16;
const INTERVAL: Duration = Duration::from_secs(5);

/// Returns the limit of changes that are logged.
pub(crate) const fn log_limit() -> RateLimit {
    RateLimit::with_interval(INTERVAL, BURST)
}

/// Logs what `new` has and `old` had not, and the addresses that were lost.
pub(crate) fn log_changes(function: Address, old: &InterfaceConfig, new: &InterfaceConfig) {
    for address in old.addresses.iter().filter(|address| !new.addresses.contains(address)) {
        log::warn!("net {function}: address {address} lost");
    }
    for address in new.addresses.iter().filter(|address| !old.addresses.contains(address)) {
        log::info!("net {function}: address {address} by {}", address.source);
    }
    for route in new.routes.iter().filter(|route| !old.routes.contains(route)) {
        match route.gateway {
            Some(gateway) if route.is_default() => log::info!("net {function}: gateway {gateway}"),
            _ => log::info!("net {function}: route {route}"),
        }
    }
    log_list(function, "dns", &old.dns_servers, &new.dns_servers);
    log_list(function, "search", &old.search_domains, &new.search_domains);
    log_list(function, "ntp", &old.ntp_servers, &new.ntp_servers);
    log_option(function, "hostname", old.hostname.as_ref(), new.hostname.as_ref());
    log_option(function, "mtu", old.mtu.as_ref(), new.mtu.as_ref());
}

fn log_list<T: fmt::Display + PartialEq>(function: Address, name: &str, old: &[T], new: &[T]) {
    if old != new && !new.is_empty() {
        log::info!("net {function}: {name} {}", Commas(new));
    }
}

fn log_option<T: fmt::Display + PartialEq>(function: Address, name: &str, old: Option<&T>, new: Option<&T>) {
    if let Some(value) = new.filter(|_| old != new) {
        log::info!("net {function}: {name} {value}");
    }
}

/// Displays a list with commas.
struct Commas<'a, T>(&'a [T]);

impl<T: fmt::Display> fmt::Display for Commas<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().enumerate().try_for_each(|(index, item)| {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{item}")
        })
    }
}

#[cfg(test)]
mod tests {
    use smoltcp::time::Instant;

    use super::*;

    #[test]
    fn changes_without_end_are_logged_at_a_bounded_rate() {
        let mut limit = log_limit();
        let mut logged = |from: i64, to| (from..to).filter(|ms| limit.take(Instant::from_millis(*ms))).count();
        assert_eq!(logged(0, 1000), 16);
        // Fifty seconds.
        assert!((9..=11).contains(&logged(1000, 51_000)));
        assert_eq!(logged(1_000_000, 1_001_000), 16);
    }
}
