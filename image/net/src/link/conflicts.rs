//! Detection of other hosts with the same IPv4 address (RFC 5227).
//!
//! An address is used at once, so that a start takes no longer: probes are sent while it is used, and until they are
//! over, any conflict withdraws it. From then on it is defended.

use core::net::Ipv4Addr;

use smoltcp::time::{Duration, Instant};

use super::arp::ArpPacket;
use crate::mac::Mac;

/// At most one defence in this time (RFC 5227, 1.1: DEFEND_INTERVAL).
const DEFEND_INTERVAL: Duration = Duration::from_secs(10);
/// Later than any time.
const NEVER: Instant = Instant::from_micros_const(i64::MAX);

/// What is sent after an address was taken, and the milliseconds after that.
const SCHEDULE: [(u64, Message); 5] = [
    (0, Message::Probe),
    // An owner on the link has answered the first probe by then.
    (10, Message::Announcement),
    (1000, Message::Probe),
    (2000, Message::Probe),
    (3000, Message::Announcement),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Message {
    /// A request from 0.0.0.0 for the address.
    Probe,
    /// A request of the address for itself.
    Announcement,
}

/// Another host has the address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Conflict {
    pub(crate) address: Ipv4Addr,
    /// The Ethernet address of the other host.
    pub(crate) other: Mac,
    /// The address must not be used any more; otherwise it was defended.
    pub(crate) is_withdrawn: bool,
}

/// The checks of the address of an interface.
pub(super) struct Conflicts {
    started_at: Instant,
    /// The next entry of the schedule.
    step: usize,
    /// When the next defence is allowed.
    defend_at: Instant,
    has_defence: bool,
    conflict: Option<Conflict>,
}

impl Conflicts {
    pub(super) const fn new() -> Self {
        let (started_at, step) = (Instant::ZERO, SCHEDULE.len());
        Self { started_at, step, defend_at: Instant::ZERO, has_defence: false, conflict: None }
    }

    /// Begins to probe for an address that was just taken.
    pub(super) fn start(&mut self, now: Instant) {
        *self = Self { started_at: now, step: 0, conflict: self.conflict, ..Self::new() };
    }

    /// Ends the checks of an address that is not used any more.
    pub(super) fn stop(&mut self) {
        *self = Self { conflict: self.conflict, ..Self::new() };
    }

    /// Has the address announced once more, unless that is due anyway.
    pub(super) fn announce(&mut self) {
        self.has_defence |= !self.is_probing();
    }

    fn is_probing(&self) -> bool {
        self.step < SCHEDULE.len()
    }

    /// Checks a received packet, from another station than this one, against the address of this host.
    pub(super) fn check(&mut self, packet: &ArpPacket, address: Ipv4Addr, now: Instant) {
        // Two hosts that probe for one address both give way (RFC 5227, 2.1.1).
        let is_rival = packet.sender.is_unspecified() && packet.target == address && self.is_probing();
        if address.is_unspecified() || (packet.sender != address && !is_rival) {
            return;
        }
        let other = packet.sender_mac;
        if self.is_probing() {
            self.conflict = Some(Conflict { address, other, is_withdrawn: true });
            return;
        }
        // RFC 5227, 2.4 (c): the address is kept, as any sender of ARP packets could take it away otherwise.
        if now >= self.defend_at {
            (self.defend_at, self.has_defence) = (now + DEFEND_INTERVAL, true);
            self.conflict = Some(Conflict { address, other, is_withdrawn: false });
        }
    }

    /// Takes what was found.
    #[inline]
    pub(super) fn take(&mut self) -> Option<Conflict> {
        self.conflict.take()
    }

    /// Returns when [`next_message`](Self::next_message) has one.
    #[inline]
    pub(super) fn deadline(&self) -> Instant {
        match SCHEDULE.get(self.step) {
            _ if self.has_defence => Instant::ZERO,
            Some((milliseconds, _)) => self.started_at + Duration::from_millis(*milliseconds),
            None => NEVER,
        }
    }

    /// Returns a message that is due.
    pub(super) fn next_message(&mut self, now: Instant) -> Option<Message> {
        if core::mem::take(&mut self.has_defence) {
            return Some(Message::Announcement);
        }
        if now < self.deadline() {
            return None;
        }
        let (_, message) = SCHEDULE.get(self.step)?;
        self.step += 1;
        Some(*message)
    }
}
