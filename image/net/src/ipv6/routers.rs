//! Routers, prefixes on the link and routes, from router advertisements and the command line (RFC 4861, 6.3; RFC 4191).

use core::net::Ipv6Addr;

use heapless::Vec;
use smoltcp::time::{Duration, Instant};

use super::address::{LINK_LOCAL, Prefix};
use crate::ipv6::NEVER;

/// Default routers, prefixes and routes that are kept of each.
const MAX: usize = 8;
/// The first wait for an answer to a router solicitation, and the longest (RFC 7559, 2).
const FIRST_SOLICITATION: Duration = Duration::from_secs(4);
const LAST_SOLICITATION: Duration = Duration::from_secs(3600);
/// The preference of the gateway of the command line, above what a router can advertise.
const STATIC: i8 = 2;

/// A way to a prefix: through a router, or directly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Route {
    prefix: Prefix,
    /// `None` for a prefix on the link.
    router: Option<Ipv6Addr>,
    preference: i8,
    valid_until: Instant,
}

/// The routes of an interface, and the solicitation of routers.
#[derive(Debug)]
pub(crate) struct Routers {
    /// Default routes have a prefix of length 0.
    routes: Vec<Route, { 3 * MAX }>,
    /// When the next router solicitation is due; [`NEVER`] once a router has answered.
    solicit_at: Instant,
    interval: Duration,
}

/// Returns when a lifetime in seconds ends; all ones for never.
pub(crate) fn lifetime_end(now: Instant, seconds: u32) -> Instant {
    if seconds == u32::MAX { NEVER } else { now + Duration::from_secs(seconds.into()) }
}

impl Routers {
    pub(crate) fn new() -> Self {
        Self { routes: Vec::new(), solicit_at: NEVER, interval: FIRST_SOLICITATION }
    }

    /// Begins to look for routers.
    pub(crate) fn solicit(&mut self, at: Instant) {
        (self.solicit_at, self.interval) = (at, FIRST_SOLICITATION);
    }

    /// Returns whether a router solicitation is due; the next one is due after the interval, which doubles. `random` varies
    /// it by a tenth.
    pub(crate) fn is_solicitation_due(&mut self, now: Instant, random: u32) -> bool {
        if now < self.solicit_at {
            return false;
        }
        let micros = self.interval.total_micros();
        let tenth = micros / 10;
        let varied = micros - tenth + u64::from(random) % (2 * tenth + 1);
        self.solicit_at = now + Duration::from_micros(varied);
        self.interval = (self.interval * 2).min(LAST_SOLICITATION);
        true
    }

    /// Adds or renews a route; one whose lifetime is over is removed.
    fn set(&mut self, prefix: Prefix, router: Option<Ipv6Addr>, preference: i8, valid_until: Instant, now: Instant) {
        let is_static = |route: &Route| route.preference == STATIC;
        let same = |route: &Route| route.prefix == prefix && route.router == router;
        if self.routes.iter().any(|route| same(route) && is_static(route)) {
            return;
        }
        self.routes.retain(|route| !same(route));
        if valid_until <= now {
            return;
        }
        // A third for each kind, so that no router can fill the table with another kind.
        let kind = |prefix: &Prefix, router: &Option<Ipv6Addr>| (prefix.length == 0, router.is_some());
        let of_kind = self.routes.iter().filter(|route| kind(&route.prefix, &route.router) == kind(&prefix, &router));
        if of_kind.count() < MAX {
            // There is room, as was counted.
            self.routes.push(Route { prefix, router, preference, valid_until }).ok();
        }
    }

    /// Adds the gateway of the command line.
    pub(crate) fn add_static(&mut self, prefix: Prefix, router: Option<Ipv6Addr>) {
        self.set(prefix, router, STATIC, NEVER, Instant::ZERO);
    }

    /// Takes the router that has sent an advertisement; with a lifetime of 0 it is no default router (any more).
    pub(crate) fn set_router(&mut self, router: Ipv6Addr, preference: i8, lifetime_s: u16, now: Instant) {
        let until = now + Duration::from_secs(lifetime_s.into());
        self.set(Prefix::new(Ipv6Addr::UNSPECIFIED, 0), Some(router), preference, until, now);
        if lifetime_s > 0 {
            self.solicit_at = NEVER;
        }
    }

    /// Takes a prefix that is on the link.
    pub(crate) fn set_on_link(&mut self, prefix: Prefix, lifetime_s: u32, now: Instant) {
        if !LINK_LOCAL.contains(&prefix.address) && prefix.length > 0 {
            self.set(prefix, None, 0, lifetime_end(now, lifetime_s), now);
        }
    }

    /// Takes a route through the router that has advertised it.
    pub(crate) fn set_route(
        &mut self,
        prefix: Prefix,
        router: Ipv6Addr,
        preference: i8,
        lifetime_s: u32,
        now: Instant,
    ) {
        self.set(prefix, Some(router), preference, lifetime_end(now, lifetime_s), now);
    }

    /// Returns the next hop towards an address: the address itself on the link. The most specific route counts, then one
    /// whose router answers, then its preference (RFC 4191, 3.2). `None` without a route.
    pub(crate) fn next_hop(
        &self,
        destination: &Ipv6Addr,
        is_reachable: impl Fn(&Ipv6Addr) -> bool,
    ) -> Option<Ipv6Addr> {
        if LINK_LOCAL.contains(destination) {
            return Some(*destination);
        }
        let fitting = self.routes.iter().filter(|route| route.prefix.contains(destination));
        let rank = |route: &&Route| {
            (route.prefix.length, route.router.is_none_or(|router| is_reachable(&router)), route.preference)
        };
        // The first of equals.
        let best = fitting.rev().max_by_key(rank)?;
        Some(best.router.unwrap_or(*destination))
    }

    /// Removes what has ended. Returns whether there was something.
    pub(crate) fn expire(&mut self, now: Instant) -> bool {
        let before = self.routes.len();
        self.routes.retain(|route| route.valid_until > now);
        let is_changed = self.routes.len() != before;
        // The last router has gone: another may be there.
        if is_changed && self.routers().next().is_none() && self.solicit_at == NEVER {
            self.solicit(now);
        }
        is_changed
    }

    /// Returns when a route ends or a solicitation is due.
    pub(crate) fn deadline(&self) -> Instant {
        self.routes.iter().map(|route| route.valid_until).min().unwrap_or(NEVER).min(self.solicit_at)
    }

    /// Returns the default routers.
    pub(crate) fn routers(&self) -> impl Iterator<Item = Ipv6Addr> + '_ {
        self.routes.iter().filter(|route| route.prefix.length == 0).filter_map(|route| route.router)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Ipv6Addr {
        text.parse().expect("an address")
    }

    fn prefix(text: &str, length: u8) -> Prefix {
        Prefix::new(address(text), length)
    }

    const NOW: Instant = Instant::ZERO;

    #[test]
    fn the_most_specific_route_counts_then_the_router_that_answers_then_its_preference() {
        let mut routers = Routers::new();
        let (low, high, other) = (address("fe80::1"), address("fe80::2"), address("fe80::3"));
        assert_eq!(routers.next_hop(&address("2001:db8::1"), |_| true), None);
        routers.set_router(low, -1, 1800, NOW);
        routers.set_router(high, 1, 1800, NOW);
        routers.set_on_link(prefix("2001:db8:1::", 64), 600, NOW);
        routers.set_route(prefix("2001:db8:2::", 48), other, 0, 600, NOW);
        let far = address("2001:db8:9::1");
        assert_eq!(routers.next_hop(&far, |_| true), Some(high));
        assert_eq!(routers.next_hop(&far, |router| *router != high), Some(low));
        let near = address("2001:db8:1::7");
        assert_eq!(routers.next_hop(&near, |_| true), Some(near));
        assert_eq!(routers.next_hop(&address("fe80::9"), |_| true), Some(address("fe80::9")));
        assert_eq!(routers.next_hop(&address("2001:db8:2::1"), |_| true), Some(other));
        // A lifetime of 0 ends at once.
        routers.set_router(high, 1, 0, NOW);
        assert_eq!(routers.next_hop(&far, |_| true), Some(low));
        assert!(routers.expire(Instant::from_secs(600)));
        assert_eq!(routers.next_hop(&near, |_| true), Some(low));
        routers.add_static(prefix("::", 0), Some(other));
        assert_eq!(routers.next_hop(&far, |_| true), Some(other));
        assert!(routers.routers().any(|router| router == other));
    }

    #[test]
    fn solicitations_back_off_to_an_hour_and_end_with_a_router() {
        let mut routers = Routers::new();
        routers.solicit(NOW);
        let (mut now, mut gaps) = (NOW, alloc::vec::Vec::new());
        for _ in 0..14 {
            assert!(routers.is_solicitation_due(now, 0x8000_0000));
            assert!(!routers.is_solicitation_due(now, 0));
            let next = routers.deadline();
            gaps.push((next - now).secs());
            now = next;
        }
        assert!((3..=4).contains(&gaps[0]) && (7..=8).contains(&gaps[1]), "{gaps:?}");
        assert!((3240..=3960).contains(&gaps[13]), "{gaps:?}");
        routers.set_router(address("fe80::1"), 0, 10, now);
        assert!(!routers.is_solicitation_due(now + Duration::from_secs(9), 0));
        assert!(routers.expire(now + Duration::from_secs(10)));
        assert!(routers.is_solicitation_due(now + Duration::from_secs(10), 0), "the last router has gone");
    }

    #[test]
    fn a_router_that_advertises_hundreds_fills_only_its_share() {
        let mut routers = Routers::new();
        let router = address("fe80::1");
        for number in 0..500 {
            routers.set_on_link(Prefix::new(Ipv6Addr::new(0x2001, number, 0, 0, 0, 0, 0, 0), 64), 600, NOW);
            routers.set_route(Prefix::new(Ipv6Addr::new(0x2002, number, 0, 0, 0, 0, 0, 0), 64), router, 0, 600, NOW);
        }
        routers.set_router(router, 0, 600, NOW);
        assert_eq!(routers.routes.len(), 17);
        assert_eq!(routers.next_hop(&address("2003::1"), |_| true), Some(router));
    }
}
