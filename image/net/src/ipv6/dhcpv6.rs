//! A DHCPv6 client (RFC 8415): configuration without addresses, or one address and configuration.

use alloc::string::String;
use alloc::vec::Vec;
use core::net::Ipv6Addr;

use smoltcp::time::{Duration, Instant};

use super::dhcpv6_message::{self as message, Incoming, Outgoing, ServerId, kind};
use crate::ipv6::NEVER;

/// The longest time between messages that get no answer (SOL_MAX_RT and INF_MAX_RT; RFC 8415, 7.6).
const MAX_INTERVAL: Duration = Duration::from_secs(3600);
/// The longest time between requests, which end after ten (REQ_MAX_RT, REQ_MAX_RC).
const MAX_REQUEST_INTERVAL: Duration = Duration::from_secs(30);
const MAX_REQUESTS: u32 = 10;
/// How long configuration without addresses is valid (IRT_DEFAULT, IRT_MINIMUM; RFC 8415, 21.23).
const REFRESH: Duration = Duration::from_secs(86_400);
const MIN_REFRESH: Duration = Duration::from_secs(600);
/// Leases are renewed no more often than this, however short they are.
const MIN_RENEWAL: Duration = Duration::from_secs(10);

/// What the client does.
#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    Idle,
    /// Asks for configuration.
    Informing,
    /// Has it, until the deadline.
    Informed,
    Soliciting,
    Requesting(ServerId),
    /// Has an address; renews it at the deadline.
    Bound(ServerId),
    Renewing(ServerId),
    Rebinding,
}

/// An address that a server has assigned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lease {
    pub(crate) address: Ipv6Addr,
    pub(crate) preferred_s: u32,
    pub(crate) valid_s: u32,
}

/// What the client has learnt.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Learnt {
    pub(crate) lease: Option<Lease>,
    pub(crate) dns_servers: Vec<Ipv6Addr>,
    pub(crate) search_domains: Vec<String>,
    pub(crate) ntp_servers: Vec<Ipv6Addr>,
}

/// The client of an interface.
#[derive(Debug)]
pub(crate) struct Client {
    state: State,
    mac: [u8; 6],
    transaction: u32,
    /// When the exchange began, and how often it was sent.
    began_at: Instant,
    sent: u32,
    interval: Duration,
    /// When the next message is due.
    deadline: Instant,
    /// When the lease has to be rebound, and when it ends.
    rebind_at: Instant,
    ends_at: Instant,
    lease: Option<Lease>,
    /// Requests that were refused one after the other.
    refusals: u32,
}

impl Client {
    pub(crate) fn new(mac: [u8; 6]) -> Self {
        Self {
            state: State::Idle,
            mac,
            transaction: 0,
            began_at: Instant::ZERO,
            sent: 0,
            interval: Duration::ZERO,
            deadline: NEVER,
            rebind_at: NEVER,
            ends_at: NEVER,
            lease: None,
            refusals: 0,
        }
    }

    /// Follows the flags of a router advertisement: addresses and configuration, or configuration alone.
    pub(crate) fn advertised(&mut self, is_managed: bool, has_other: bool, random: u32, now: Instant) {
        let is_informing = matches!(self.state, State::Informing | State::Informed);
        match (is_managed, has_other) {
            (true, _) if self.state == State::Idle || is_informing => self.begin(State::Soliciting, random, now),
            (false, true) if self.state == State::Idle => self.begin(State::Informing, random, now),
            _ => {}
        }
    }

    fn begin(&mut self, state: State, random: u32, now: Instant) {
        self.state = state;
        (self.transaction, self.began_at, self.sent) = (random & 0xff_ffff, now, 0);
        self.interval = match self.state {
            State::Renewing(_) | State::Rebinding => Duration::from_secs(10),
            _ => Duration::from_secs(1),
        };
        // Many hosts see the same advertisement at once: within a second (RFC 8415, 18.2.1).
        let is_first = matches!(self.state, State::Soliciting | State::Informing);
        self.deadline = if is_first { now + Duration::from_micros(u64::from(random >> 12)) } else { now };
    }

    /// Returns the message that is due at `now`.
    pub(crate) fn poll(&mut self, random: u32, now: Instant) -> Option<Outgoing> {
        if now < self.deadline {
            return None;
        }
        match &self.state {
            State::Idle => {
                self.deadline = NEVER;
                return None;
            }
            State::Informed => self.begin(State::Informing, random, now),
            State::Bound(server) => {
                let server = server.clone();
                self.begin(State::Renewing(server), random, now);
            }
            State::Renewing(_) if now >= self.rebind_at => self.begin(State::Rebinding, random, now),
            State::Rebinding if now >= self.ends_at => self.begin(State::Soliciting, random, now),
            State::Requesting(_) if self.sent >= MAX_REQUESTS => self.begin(State::Soliciting, random, now),
            _ => {}
        }
        if now < self.deadline {
            return None;
        }
        self.schedule_again(random, now);
        let elapsed = (now - self.began_at).total_millis() / 10;
        let message = Outgoing::new(self.transaction, self.mac, elapsed);
        Some(match &self.state {
            State::Soliciting => message.of_kind(kind::SOLICIT).with_rapid_commit().with_address(None),
            State::Requesting(server) => message.of_kind(kind::REQUEST).with_server(server).with_address(self.lease),
            State::Renewing(server) => message.of_kind(kind::RENEW).with_server(server).with_address(self.lease),
            State::Rebinding => message.of_kind(kind::REBIND).with_address(self.lease),
            State::Idle | State::Informing | State::Informed | State::Bound(_) => {
                message.of_kind(kind::INFORMATION_REQUEST)
            }
        })
    }

    /// Sets when to send again: after an interval that doubles, varied by a tenth (RFC 8415, 15).
    fn schedule_again(&mut self, random: u32, now: Instant) {
        let micros = self.interval.total_micros();
        let tenth = micros / 10;
        self.deadline = now + Duration::from_micros(micros - tenth + u64::from(random) % (2 * tenth + 1));
        let longest = match self.state {
            State::Requesting(_) => MAX_REQUEST_INTERVAL,
            State::Renewing(_) | State::Rebinding => MAX_INTERVAL / 6,
            _ => MAX_INTERVAL,
        };
        self.interval = (self.interval * 2).min(longest);
        self.sent += 1;
        // A lease does not last beyond its end because a message was sent shortly before.
        match self.state {
            State::Renewing(_) => self.deadline = self.deadline.min(self.rebind_at),
            State::Rebinding => self.deadline = self.deadline.min(self.ends_at),
            _ => {}
        }
    }

    /// Handles a datagram to the client's port. Returns what it has learnt from it.
    pub(crate) fn receive(&mut self, datagram: &[u8], random: u32, now: Instant) -> Option<Learnt> {
        let incoming = Incoming::parse(datagram, self.mac)?;
        if incoming.transaction != self.transaction {
            return None;
        }
        match (&self.state, incoming.kind) {
            (State::Informing, kind::REPLY) => {
                let refresh = incoming.refresh_s.map_or(REFRESH, |seconds| Duration::from_secs(seconds.into()));
                (self.state, self.deadline) = (State::Informed, now + refresh.max(MIN_REFRESH));
                Some(incoming.learnt)
            }
            (State::Soliciting, kind::ADVERTISE) if self.sent > 0 => {
                self.lease = Some(incoming.learnt.lease?);
                self.begin(State::Requesting(incoming.server), random, now);
                None
            }
            (State::Soliciting, kind::REPLY) if incoming.has_rapid_commit => self.bind(incoming, now),
            (State::Requesting(server) | State::Renewing(server), kind::REPLY) if *server == incoming.server => {
                self.bind(incoming, now)
            }
            (State::Rebinding, kind::REPLY) => self.bind(incoming, now),
            _ => None,
        }
    }

    /// Takes the lease of a reply. Without one, the client begins again after an interval that doubles with each refusal.
    fn bind(&mut self, incoming: Incoming, now: Instant) -> Option<Learnt> {
        let Some(lease) = incoming.learnt.lease.filter(|lease| lease.valid_s > 0) else {
            if matches!(self.state, State::Requesting(_)) {
                (self.state, self.lease) = (State::Soliciting, None);
                self.interval = (Duration::from_secs(1) * (1 << self.refusals.min(12))).min(MAX_INTERVAL);
                (self.deadline, self.refusals) = (now + self.interval, self.refusals + 1);
            }
            return None;
        };
        let seconds = |seconds: u32| Duration::from_secs(seconds.into());
        let or = |time: u32, eighths: u32| if time == 0 { lease.preferred_s / 8 * eighths } else { time };
        let (renew, rebind) = (or(incoming.renew_s, 4), or(incoming.rebind_s, 6));
        let valid = seconds(lease.valid_s);
        let renew = seconds(renew).min(valid).max(MIN_RENEWAL);
        (self.deadline, self.rebind_at) = (now + renew, now + seconds(rebind).max(renew + MIN_RENEWAL));
        self.ends_at = now + valid.max(renew + MIN_RENEWAL * 2);
        if lease.valid_s == u32::MAX {
            self.deadline = NEVER;
        }
        (self.state, self.lease, self.refusals) = (State::Bound(incoming.server.clone()), Some(lease), 0);
        Some(incoming.learnt)
    }

    /// Returns a time before which [`poll`](Self::poll) has nothing to do.
    pub(crate) fn deadline(&self) -> Instant {
        self.deadline
    }
}

/// The ports of clients and servers (RFC 8415, 7.2).
pub(crate) const CLIENT_PORT: u16 = 546;
pub(crate) const SERVER_PORT: u16 = message::SERVER_PORT;

#[cfg(test)]
#[path = "dhcpv6_tests.rs"]
mod tests;
