//! Multicast listener discovery: reports the groups of an interface, so that switches forward them (RFC 3810; for queriers
//! of version 1, RFC 2710).

use core::net::Ipv6Addr;

use smoltcp::time::{Duration, Instant};

use super::address::{ALL_MLDV2_ROUTERS, ALL_NODES, ALL_ROUTERS, scope};
use super::frame::{address_at, u16_at};
use crate::membership::{self, Membership, Message, Query};

/// The time for which a querier of version 1 is taken to be there (RFC 3810, 9.12).
const VERSION_1_TIMEOUT: Duration = Duration::from_secs(260);
/// The longest wait that a query asks for.
const MAX_RESPONSE_DELAY: Duration = Duration::from_secs(60);

const QUERY: u8 = 130;
const REPORT_V1: u8 = 131;
const DONE_V1: u8 = 132;
const REPORT_V2: u8 = 143;

/// A message to send, with its destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Report {
    pub(crate) destination: Ipv6Addr,
    pub(crate) message: Message,
}

/// The groups of an interface.
#[derive(Debug)]
pub(crate) struct Listener(Membership<Ipv6Addr>);

impl Listener {
    pub(crate) fn new() -> Self {
        Self(Membership::new())
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::new();
    }

    /// Returns whether the interface listens to a group.
    pub(crate) fn has(&self, group: &Ipv6Addr) -> bool {
        *group == ALL_NODES || self.0.has(group)
    }

    /// Makes the groups those of `wanted`; what has changed is reported.
    pub(crate) fn set(&mut self, wanted: impl Iterator<Item = Ipv6Addr> + Clone, now: Instant) {
        self.0.set(wanted, now);
    }

    /// Returns the groups, without all-nodes.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Ipv6Addr> + '_ {
        self.0.iter()
    }

    /// Returns whether the groups may have changed since the last call.
    #[inline]
    pub(crate) fn take_change(&mut self) -> bool {
        self.0.take_change()
    }

    /// Reports all groups again.
    pub(crate) fn report_again(&mut self, now: Instant) {
        self.0.report_again(now);
    }

    /// Handles a valid query; `random` spreads the answers of many hosts over the time that it allows.
    pub(crate) fn query(&mut self, message: &[u8], random: u32, now: Instant) {
        let (Some(QUERY), Some(code)) = (message.first().copied(), u16_at(message, 4)) else { return };
        let is_v1 = message.len() < 28;
        let max_delay =
            Duration::from_millis(membership::floating(code, 12)).min(MAX_RESPONSE_DELAY / if is_v1 { 6 } else { 1 });
        let about = address_at(message, 8).filter(|about| !about.is_unspecified());
        let old_version = is_v1.then_some((1, VERSION_1_TIMEOUT));
        self.0.query(&Query { about, max_delay, old_version }, random, now);
    }

    /// Returns the next report that is due at `now`.
    pub(crate) fn poll(&mut self, now: Instant) -> Option<Report> {
        match self.0.poll(now)? {
            membership::Report::Records(records) => {
                let message = membership::records_message(REPORT_V2, &records)?;
                Some(Report { destination: ALL_MLDV2_ROUTERS, message })
            }
            membership::Report::Old { group, is_left, .. } => {
                let (kind, destination) = if is_left { (DONE_V1, ALL_ROUTERS) } else { (REPORT_V1, group) };
                let mut message = Message::new();
                message.extend_from_slice(&[kind, 0, 0, 0, 0, 0, 0, 0]).ok()?;
                message.extend_from_slice(&group.octets()).ok()?;
                Some(Report { destination, message })
            }
        }
    }

    /// Returns a time before which [`poll`](Self::poll) has nothing to do.
    pub(crate) fn deadline(&self) -> Instant {
        self.0.deadline()
    }
}

/// Returns whether a group is reported at all: all-nodes and those of this host alone are not (RFC 3810, 5).
pub(crate) fn is_reported(group: &Ipv6Addr) -> bool {
    *group != ALL_NODES && scope(group) > 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ipv6::NEVER;

    fn group(number: u16) -> Ipv6Addr {
        Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00, number)
    }

    fn kinds(report: Option<Report>) -> Option<alloc::vec::Vec<(u8, Ipv6Addr)>> {
        let report = report?;
        assert_eq!(report.destination, ALL_MLDV2_ROUTERS);
        let records = report.message[8..].chunks(20);
        Some(records.map(|record| (record[0], address_at(record, 4).expect("an address"))).collect())
    }

    #[test]
    fn groups_are_reported_twice_and_left_once() {
        let mut listener = Listener::new();
        let (now, later) = (Instant::ZERO, Instant::from_secs(1));
        listener.set([group(1), group(2)].into_iter(), now);
        assert!(listener.has(&group(2)) && listener.has(&ALL_NODES) && !listener.has(&group(3)));
        for now in [now, later] {
            assert_eq!(kinds(listener.poll(now)), Some([(4, group(1)), (4, group(2))].to_vec()));
            assert_eq!(listener.poll(now), None);
        }
        assert_eq!(listener.deadline(), NEVER);
        listener.set([group(2)].into_iter(), later);
        assert!(!listener.has(&group(1)));
        assert_eq!(kinds(listener.poll(later)), Some([(3, group(1))].to_vec()));
        assert_eq!(listener.deadline(), NEVER);
    }

    #[test]
    fn queries_are_answered_within_their_time() {
        let mut listener = Listener::new();
        listener.set([group(1)].into_iter(), Instant::ZERO);
        while listener.deadline() != NEVER {
            listener.poll(listener.deadline());
        }
        let mut query = [0; 28];
        (query[0], query[4], query[5]) = (QUERY, 0x03, 0xe8);
        let now = Instant::from_secs(10);
        listener.query(&query, 500_000, now);
        assert_eq!(listener.poll(now), None);
        assert_eq!(kinds(listener.poll(now + Duration::from_millis(500))), Some([(2, group(1))].to_vec()));
        query[8..24].copy_from_slice(&group(9).octets());
        listener.query(&query, 0, now);
        assert_eq!(listener.deadline(), NEVER, "it asks for another group");
        // A querier of version 1 gets reports of version 1.
        query[8..24].copy_from_slice(&group(1).octets());
        listener.query(&query[..24], 0, now);
        let report = listener.poll(now).expect("a report");
        assert_eq!((report.message[0], report.destination, report.message.len()), (REPORT_V1, group(1), 24));
        assert_eq!((listener.poll(now), listener.deadline()), (None, NEVER));
        for length in 0..24 {
            listener.query(&query[..length], 0, now);
        }
    }

    #[test]
    fn more_groups_than_fit_are_not_joined() {
        let mut listener = Listener::new();
        listener.set((0..100).map(group), Instant::ZERO);
        assert!(listener.has(&group(15)) && !listener.has(&group(16)));
        assert_eq!(listener.poll(Instant::ZERO).map(|report| report.message.len()), Some(8 + 16 * 20));
    }
}
