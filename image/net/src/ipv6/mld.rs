//! Multicast listener discovery: reports the groups of an interface, so that switches forward them (RFC 3810; for queriers
//! of version 1, RFC 2710).

use core::net::Ipv6Addr;

use heapless::Vec;
use smoltcp::time::{Duration, Instant};

use super::address::{ALL_MLDV2_ROUTERS, ALL_NODES, ALL_ROUTERS, scope};
use super::frame::{address_at, u16_at};
use crate::ipv6::NEVER;

/// Groups of an interface at most: one for each address, and those that sockets have joined.
const MAX_GROUPS: usize = 16;
/// A change is reported twice, as a report may be lost (RFC 3810, 9.1).
const ROBUSTNESS: u8 = 2;
const UNSOLICITED_INTERVAL: Duration = Duration::from_secs(1);
/// The time for which a querier of version 1 is taken to be there (RFC 3810, 9.12).
const VERSION_1_TIMEOUT: Duration = Duration::from_secs(260);
/// The longest wait that a query asks for.
const MAX_RESPONSE_DELAY: Duration = Duration::from_secs(60);

const QUERY: u8 = 130;
const REPORT_V1: u8 = 131;
const DONE_V1: u8 = 132;
const REPORT_V2: u8 = 143;
const MODE_IS_EXCLUDE: u8 = 2;
const CHANGE_TO_INCLUDE: u8 = 3;
const CHANGE_TO_EXCLUDE: u8 = 4;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Group {
    address: Ipv6Addr,
    /// Reports of its joining that are still to be sent.
    joins: u8,
    is_left: bool,
}

/// A message to send, with its destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Report {
    pub(crate) destination: Ipv6Addr,
    pub(crate) message: Vec<u8, { 8 + 20 * MAX_GROUPS }>,
}

/// The groups of an interface.
#[derive(Debug)]
pub(crate) struct Listener {
    groups: Vec<Group, MAX_GROUPS>,
    /// When a change is reported.
    change_at: Instant,
    /// When a query is answered.
    answer_at: Instant,
    version_1_until: Instant,
    /// The next group of an answer of version 1, which has a message for each.
    next_v1: usize,
}

impl Listener {
    pub(crate) fn new() -> Self {
        let groups = Vec::new();
        Self { groups, change_at: NEVER, answer_at: NEVER, version_1_until: Instant::ZERO, next_v1: 0 }
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::new();
    }

    /// Returns whether the interface listens to a group.
    pub(crate) fn has(&self, group: &Ipv6Addr) -> bool {
        *group == ALL_NODES || self.groups.iter().any(|other| other.address == *group && !other.is_left)
    }

    /// Makes the groups those of `wanted`; what has changed is reported.
    pub(crate) fn set(&mut self, wanted: impl Iterator<Item = Ipv6Addr> + Clone, now: Instant) {
        let mut is_changed = false;
        for group in &mut self.groups {
            if !group.is_left && !wanted.clone().any(|address| address == group.address) {
                (group.is_left, is_changed) = (true, true);
            }
        }
        for address in wanted {
            match self.groups.iter_mut().find(|group| group.address == address) {
                Some(group) if group.is_left => (group.is_left, group.joins, is_changed) = (false, ROBUSTNESS, true),
                Some(_) => {}
                None => is_changed |= self.groups.push(Group { address, joins: ROBUSTNESS, is_left: false }).is_ok(),
            }
        }
        if is_changed {
            (self.change_at, self.next_v1) = (now, 0);
        }
    }

    /// Handles a valid query; `random` spreads the answers of many hosts over the time that it allows.
    pub(crate) fn query(&mut self, message: &[u8], random: u32, now: Instant) {
        let (Some(QUERY), Some(code)) = (message.first().copied(), u16_at(message, 4)) else { return };
        let is_v1 = message.len() < 28;
        if is_v1 {
            self.version_1_until = now + VERSION_1_TIMEOUT;
        }
        // A floating-point code from 32,768 (RFC 3810, 5.1.3).
        let delay_ms = match code {
            0..0x8000 => u64::from(code),
            _ => u64::from(code & 0xfff | 0x1000) << ((code >> 12 & 7) + 3),
        };
        let delay =
            Duration::from_millis(delay_ms).min(if is_v1 { MAX_RESPONSE_DELAY / 6 } else { MAX_RESPONSE_DELAY });
        let about = address_at(message, 8).unwrap_or(Ipv6Addr::UNSPECIFIED);
        if about.is_unspecified() || self.has(&about) {
            let at = now + Duration::from_micros(u64::from(random) % (delay.total_micros() + 1));
            (self.answer_at, self.next_v1) = (self.answer_at.min(at), 0);
        }
    }

    /// Returns the next report that is due at `now`.
    pub(crate) fn poll(&mut self, now: Instant) -> Option<Report> {
        if now < self.deadline() {
            return None;
        }
        if now < self.version_1_until { self.poll_v1(now) } else { self.poll_v2(now) }
    }

    fn poll_v2(&mut self, now: Instant) -> Option<Report> {
        let is_answer = self.answer_at <= now;
        let mut message = Vec::new();
        message.extend_from_slice(&[REPORT_V2, 0, 0, 0, 0, 0, 0, 0]).ok()?;
        for group in &mut self.groups {
            let kind = match (is_answer, group.is_left) {
                (true, false) => MODE_IS_EXCLUDE,
                (false, true) => CHANGE_TO_INCLUDE,
                (false, false) if group.joins > 0 => CHANGE_TO_EXCLUDE,
                _ => continue,
            };
            if !is_answer {
                group.joins = group.joins.saturating_sub(1);
            }
            message.extend_from_slice(&[kind, 0, 0, 0]).ok()?;
            message.extend_from_slice(&group.address.octets()).ok()?;
            message[7] += 1;
        }
        if is_answer {
            self.answer_at = NEVER;
        } else {
            self.finish_change(now);
        }
        (message[7] > 0).then_some(Report { destination: ALL_MLDV2_ROUTERS, message })
    }

    /// Ends one report of a change: what was left is forgotten, and what was joined is reported again.
    fn finish_change(&mut self, now: Instant) {
        self.groups.retain(|group| !group.is_left);
        let is_more = self.groups.iter().any(|group| group.joins > 0);
        self.change_at = if is_more { now + UNSOLICITED_INTERVAL } else { NEVER };
    }

    fn poll_v1(&mut self, now: Instant) -> Option<Report> {
        let is_answer = self.answer_at <= now;
        while let Some(group) = self.groups.get_mut(self.next_v1) {
            self.next_v1 += 1;
            let is_due = if is_answer { !group.is_left } else { group.is_left || group.joins > 0 };
            if !is_due {
                continue;
            }
            if !is_answer {
                group.joins = group.joins.saturating_sub(1);
            }
            let (kind, destination) = if group.is_left { (DONE_V1, ALL_ROUTERS) } else { (REPORT_V1, group.address) };
            let mut message = Vec::new();
            message.extend_from_slice(&[kind, 0, 0, 0, 0, 0, 0, 0]).ok()?;
            message.extend_from_slice(&group.address.octets()).ok()?;
            return Some(Report { destination, message });
        }
        self.next_v1 = 0;
        if is_answer {
            self.answer_at = NEVER;
        } else {
            self.finish_change(now);
        }
        None
    }

    /// Returns a time before which [`poll`](Self::poll) has nothing to do.
    pub(crate) fn deadline(&self) -> Instant {
        self.change_at.min(self.answer_at)
    }
}

/// Returns whether a group is reported at all: all-nodes and those of this host alone are not (RFC 3810, 5).
pub(crate) fn is_reported(group: &Ipv6Addr) -> bool {
    *group != ALL_NODES && scope(group) > 1
}

#[cfg(test)]
mod tests {
    use super::*;

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
