//! The states of the client (RFC 2131, figure 5), and what each does on an answer, a time and a change of the link.

mod receive;
mod send;

use alloc::string::String;
use core::net::Ipv4Addr;

use smoltcp::time::Instant;

pub(crate) use send::Datagram;

use super::lease::Lease;
use super::pacer::Pacer;
use crate::config::InterfaceConfig;
use crate::mac::Mac;
use crate::random::Random;

/// Requests for an offered address or for the address of before, until the client starts over.
const MAX_REQUESTS: u32 = 3;
/// Discovers without an answer after which there is no server.
const DISCOVERS_WITHOUT_SERVER: u32 = 2;

/// What the client wants done.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "returned to be handled at once, and stored nowhere")]
pub(crate) enum Action {
    /// Send a datagram from port 68 to port 67.
    Send(Datagram),
    /// Take this configuration, or go on with it after a renewal.
    Configure(InterfaceConfig),
    /// Give up the address: its lease has ended, or a server has refused it.
    Deconfigure,
    /// No server has answered yet. Sent once for each time that the link comes up; the client goes on.
    NoServer,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum State {
    /// The link is down, or the client was stopped.
    Stopped,
    Init,
    Selecting,
    /// With the server that has offered the address.
    Requesting {
        address: Ipv4Addr,
        server: Ipv4Addr,
    },
    /// INIT-REBOOT and REBOOTING.
    Rebooting,
    Bound,
    Renewing,
    Rebinding,
    /// The lease is given back.
    Releasing,
    /// With the address that another host has, and its server.
    Declining {
        address: Ipv4Addr,
        server: Ipv4Addr,
    },
}

/// A DHCP client of one interface.
#[derive(Debug)]
pub(crate) struct Client {
    mac: Mac,
    /// Sent to servers, some of which enter it in the DNS.
    hostname: Option<String>,
    pub(super) state: State,
    /// The address in use. It stays while its lease runs, whatever happens to the link and to servers.
    pub(super) lease: Option<Lease>,
    transaction_id: u32,
    /// When the present exchange began, for `secs`.
    began_at: Instant,
    /// When the last message was sent: a lease runs from its request on (RFC 2131, 4.4.1).
    sent_at: Instant,
    /// Messages sent in the present state.
    attempts: u32,
    /// When to act next; `None` for never.
    next_at: Option<Instant>,
    /// Refusals since the last lease. Each doubles the wait before the next attempt.
    refusals: u32,
    has_reported_no_server: bool,
    /// Whether `lease` has changed since it was taken as the configuration.
    is_config_changed: bool,
    pacer: Pacer,
    random: Random,
}

impl Client {
    /// Creates a client that is stopped until the link comes up.
    pub(crate) fn new(mac: Mac, hostname: Option<String>, seed: u64, now: Instant) -> Self {
        Self {
            mac,
            hostname,
            state: State::Stopped,
            lease: None,
            transaction_id: 0,
            began_at: now,
            sent_at: now,
            attempts: 0,
            next_at: None,
            refusals: 0,
            has_reported_no_server: false,
            is_config_changed: false,
            pacer: Pacer::new(now),
            random: Random::new(seed),
        }
    }

    /// Handles a change of the link. The address stays while its lease runs; when the link is up again, it is confirmed
    /// (RFC 2131, 3.7), as it may be another network.
    pub(crate) fn link_changed(&mut self, is_up: bool, now: Instant) {
        self.has_reported_no_server = false;
        match (is_up, &self.lease) {
            (false, _) => self.enter(State::Stopped, None, now),
            (true, Some(_)) => self.enter(State::Rebooting, Some(now), now),
            (true, None) => self.enter(State::Init, Some(now), now),
        }
    }

    /// Handles a conflict: another host has the address. It is declined, and another one is requested after a while.
    pub(crate) fn conflict(&mut self, now: Instant) {
        let Some(lease) = self.lease.take() else { return };
        self.is_config_changed = true;
        if self.state != State::Stopped {
            let state = State::Declining { address: lease.address, server: lease.server };
            self.enter(state, Some(now), now);
        }
    }

    /// Gives the lease back to its server, if there is one, and stops until the link comes up again (RFC 2131, 4.4.6).
    pub(crate) fn release(&mut self, now: Instant) {
        match self.lease.is_some() && self.state != State::Stopped {
            true => self.enter(State::Releasing, Some(now), now),
            false => self.enter(State::Stopped, None, now),
        }
    }

    /// Returns whether the lease is still to be given back.
    pub(crate) fn is_releasing(&self) -> bool {
        self.state == State::Releasing
    }

    /// Returns when [`poll`](Self::poll) has something to do, unless something arrives before.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let end = self.lease.as_ref().and_then(|lease| lease.times.end);
        match (self.next_at, end) {
            (Some(next), Some(end)) => Some(next.min(end)),
            (next, end) => next.or(end),
        }
    }

    /// Returns whether [`poll`](Self::poll) has something to do.
    #[inline]
    pub(crate) fn has_work(&self, now: Instant) -> bool {
        self.is_config_changed || self.deadline().is_some_and(|at| at <= now)
    }

    fn enter(&mut self, state: State, next_at: Option<Instant>, now: Instant) {
        self.state = state;
        self.next_at = next_at;
        self.attempts = 0;
        self.began_at = now;
        self.transaction_id = self.random.next_u32();
    }

    /// Returns the next thing to do now, if any. Call it until it returns `None`.
    pub(crate) fn poll(&mut self, now: Instant) -> Option<Action> {
        self.end_lease(now);
        if core::mem::take(&mut self.is_config_changed) {
            return Some(match &self.lease {
                Some(lease) => Action::Configure(lease.config()),
                None => Action::Deconfigure,
            });
        }
        if self.next_at.is_none_or(|at| now < at) {
            return None;
        }
        self.change_state(now);
        let is_without_answer = self.state == State::Selecting && self.attempts >= DISCOVERS_WITHOUT_SERVER;
        let is_without_answer = is_without_answer && self.lease.is_none();
        if is_without_answer && !core::mem::replace(&mut self.has_reported_no_server, true) {
            return Some(Action::NoServer);
        }
        if let Err(at) = self.pacer.take(now) {
            self.next_at = Some(at);
            return None;
        }
        self.send(now).map(Action::Send)
    }

    /// The end of a lease ends the use of its address in this moment (RFC 2131, 4.4.5).
    fn end_lease(&mut self, now: Instant) {
        if self.lease.as_ref().and_then(|lease| lease.times.end).is_some_and(|end| end <= now) {
            self.lease = None;
            self.is_config_changed = true;
            if matches!(self.state, State::Bound | State::Renewing | State::Rebinding | State::Rebooting) {
                self.enter(State::Init, Some(now), now);
            }
        }
    }

    /// Changes the state when the time of the present one is over.
    fn change_state(&mut self, now: Instant) {
        let rebinding = self.lease.as_ref().and_then(|lease| lease.times.rebinding);
        match self.state {
            State::Init => self.enter(State::Selecting, Some(now), now),
            State::Requesting { .. } | State::Rebooting if self.attempts >= MAX_REQUESTS => {
                // The address of before stays; if there is another network now, its server will offer another.
                self.enter(State::Selecting, Some(now), now);
            }
            State::Bound => self.enter(State::Renewing, Some(now), now),
            _ => {}
        }
        if self.state == State::Renewing && rebinding.is_some_and(|at| at <= now) {
            self.enter(State::Rebinding, Some(now), now);
        }
    }
}
