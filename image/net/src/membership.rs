//! The multicast groups of an interface, and when they are reported: what IGMP (RFC 3376) and multicast listener discovery
//! (RFC 3810) have in common. Their messages differ by the addresses and the types alone.

use heapless::Vec;
use smoltcp::time::{Duration, Instant};

/// Groups of an interface at most: one for each address, and those that sockets have joined.
pub(crate) const MAX_GROUPS: usize = 16;
/// A change is reported twice, as a report may be lost (RFC 3376, 8.1; RFC 3810, 9.1).
const ROBUSTNESS: u8 = 2;
const UNSOLICITED_INTERVAL: Duration = Duration::from_secs(1);
/// Later than any time.
const NEVER: Instant = Instant::from_micros_const(i64::MAX);

/// The types of records (RFC 3376, 4.2.12; RFC 3810, 5.2.12).
pub(crate) const MODE_IS_EXCLUDE: u8 = 2;
pub(crate) const CHANGE_TO_INCLUDE: u8 = 3;
pub(crate) const CHANGE_TO_EXCLUDE: u8 = 4;

/// Bytes of the longest message.
const MAX_MESSAGE_BYTES: usize = 8 + 20 * MAX_GROUPS;

/// Groups beside those of addresses at most.
const MAX_JOINED: usize = 8;

/// The groups that sockets and the stack itself have joined.
#[derive(Debug)]
pub(crate) struct Joined<A>(Vec<A, MAX_JOINED>);

impl<A: GroupAddress> Joined<A> {
    pub(crate) const fn new() -> Self {
        Self(Vec::new())
    }

    /// Adds a group, which may be there already. Returns whether there was room.
    pub(crate) fn add(&mut self, group: A) -> bool {
        self.0.contains(&group) || self.0.push(group).is_ok()
    }

    pub(crate) fn remove(&mut self, group: A) {
        self.0.retain(|other| *other != group);
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = A> + Clone {
        self.0.iter().copied()
    }
}

/// A message of either protocol.
pub(crate) type Message = Vec<u8, MAX_MESSAGE_BYTES>;

/// The address of a group.
pub(crate) trait GroupAddress: Copy + Eq {
    /// Returns its bytes.
    fn bytes(&self) -> impl AsRef<[u8]>;
}

impl GroupAddress for core::net::Ipv4Addr {
    fn bytes(&self) -> impl AsRef<[u8]> {
        self.octets()
    }
}

impl GroupAddress for core::net::Ipv6Addr {
    fn bytes(&self) -> impl AsRef<[u8]> {
        self.octets()
    }
}

/// A query.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Query<A> {
    /// The group that it is about; `None` for all.
    pub(crate) about: Option<A>,
    /// The time within which it is to be answered.
    pub(crate) max_delay: Duration,
    /// The version of its sender, and how long it is taken to be there, if it does not understand the newest one.
    pub(crate) old_version: Option<(u8, Duration)>,
}

/// A report that is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Report<A> {
    /// Types of records with their groups, in the newest version.
    Records(Vec<(u8, A), MAX_GROUPS>),
    /// A group in an older version: whether it was left.
    Old { version: u8, group: A, is_left: bool },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Group<A> {
    address: A,
    /// Reports of its joining that are still to be sent.
    joins: u8,
    is_left: bool,
}

/// The groups of an interface.
#[derive(Debug)]
pub(crate) struct Membership<A> {
    groups: Vec<Group<A>, MAX_GROUPS>,
    /// Groups were joined or left since the last [`take_change`](Self::take_change).
    is_changed: bool,
    /// When a change is reported.
    change_at: Instant,
    /// When a query is answered.
    answer_at: Instant,
    old_version: u8,
    old_until: Instant,
    /// The next group of an answer in an older version, which has a message for each.
    next_old: usize,
}

impl<A: GroupAddress> Membership<A> {
    pub(crate) const fn new() -> Self {
        let groups = Vec::new();
        let is_changed = true;
        let (change_at, answer_at, old_until) = (NEVER, NEVER, Instant::ZERO);
        Self { groups, is_changed, change_at, answer_at, old_version: 0, old_until, next_old: 0 }
    }

    /// Returns whether the interface is a member of a group.
    pub(crate) fn has(&self, group: &A) -> bool {
        self.groups.iter().any(|other| other.address == *group && !other.is_left)
    }

    /// Returns the groups.
    pub(crate) fn iter(&self) -> impl Iterator<Item = A> + '_ {
        self.groups.iter().filter(|group| !group.is_left).map(|group| group.address)
    }

    /// Returns whether the groups may have changed since the last call.
    #[inline]
    pub(crate) fn take_change(&mut self) -> bool {
        core::mem::take(&mut self.is_changed)
    }

    /// Makes the groups those of `wanted`; what has changed is reported.
    pub(crate) fn set(&mut self, wanted: impl Iterator<Item = A> + Clone, now: Instant) {
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
            (self.is_changed, self.change_at, self.next_old) = (true, now, 0);
        }
    }

    /// Reports all groups as if they were just joined: the link, or the address of the host, is another one.
    pub(crate) fn report_again(&mut self, now: Instant) {
        self.groups.retain(|group| !group.is_left);
        for group in &mut self.groups {
            group.joins = ROBUSTNESS;
        }
        let change_at = if self.groups.is_empty() { NEVER } else { now };
        *self = Self { groups: core::mem::take(&mut self.groups), change_at, ..Self::new() };
    }

    /// Handles a query; `random` spreads the answers of many hosts over the time that it allows.
    pub(crate) fn query(&mut self, query: &Query<A>, random: u32, now: Instant) {
        if let Some((version, time)) = query.old_version {
            (self.old_version, self.old_until) = (version, now + time);
        }
        if query.about.is_none_or(|about| self.has(&about)) {
            let at = now + Duration::from_micros(u64::from(random) % (query.max_delay.total_micros() + 1));
            (self.answer_at, self.next_old) = (self.answer_at.min(at), 0);
        }
    }

    /// Returns the next report that is due at `now`.
    pub(crate) fn poll(&mut self, now: Instant) -> Option<Report<A>> {
        if now < self.deadline() {
            return None;
        }
        if now < self.old_until { self.poll_old(now) } else { self.poll_records(now) }
    }

    fn poll_records(&mut self, now: Instant) -> Option<Report<A>> {
        let is_answer = self.answer_at <= now;
        let mut records = Vec::new();
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
            // There is room for all groups.
            let _ = records.push((kind, group.address));
        }
        self.finish(is_answer, now);
        (!records.is_empty()).then_some(Report::Records(records))
    }

    fn poll_old(&mut self, now: Instant) -> Option<Report<A>> {
        let is_answer = self.answer_at <= now;
        while let Some(group) = self.groups.get_mut(self.next_old) {
            self.next_old += 1;
            let is_due = if is_answer { !group.is_left } else { group.is_left || group.joins > 0 };
            if !is_due {
                continue;
            }
            if !is_answer {
                group.joins = group.joins.saturating_sub(1);
            }
            return Some(Report::Old { version: self.old_version, group: group.address, is_left: group.is_left });
        }
        self.next_old = 0;
        self.finish(is_answer, now);
        None
    }

    /// Ends an answer, or one report of a change: what was left is forgotten, and what was joined is reported again.
    fn finish(&mut self, is_answer: bool, now: Instant) {
        if is_answer {
            self.answer_at = NEVER;
            return;
        }
        self.groups.retain(|group| !group.is_left);
        let is_more = self.groups.iter().any(|group| group.joins > 0);
        self.change_at = if is_more { now + UNSOLICITED_INTERVAL } else { NEVER };
    }

    /// Returns a time before which [`poll`](Self::poll) has nothing to do.
    pub(crate) fn deadline(&self) -> Instant {
        self.change_at.min(self.answer_at)
    }
}

/// Returns a message of the newest version: a type, and records without sources (RFC 3376, 4.2; RFC 3810, 5.2). Its checksum is
/// zero.
pub(crate) fn records_message<A: GroupAddress>(kind: u8, records: &[(u8, A)]) -> Option<Message> {
    let count = u8::try_from(records.len()).ok()?;
    let mut message = Message::new();
    message.extend_from_slice(&[kind, 0, 0, 0, 0, 0, 0, count]).ok()?;
    for (record, group) in records {
        message.extend_from_slice(&[*record, 0, 0, 0]).ok()?;
        message.extend_from_slice(group.bytes().as_ref()).ok()?;
    }
    Some(message)
}

/// Returns the number that a code with an exponent of three bits and a mantissa of `bits` stands for (RFC 3376, 4.1.1; RFC 3810,
/// 5.1.3).
pub(crate) fn floating(code: u16, bits: u32) -> u64 {
    let (code, hidden) = (u64::from(code), 1 << bits);
    match code >> (bits + 3) {
        0 => code,
        _ => (code & (hidden - 1) | hidden) << ((code >> bits & 7) + 3),
    }
}
