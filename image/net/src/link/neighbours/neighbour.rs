//! One neighbour: what is known of it, and the packets that wait for its Ethernet address.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use smoltcp::time::{Duration, Instant};

use crate::mac::Mac;

/// Later than any time.
const NEVER: Instant = Instant::from_micros_const(i64::MAX);

/// Packets that wait for one neighbour at most; the oldest give way (RFC 1122, 2.3.2.2).
pub(super) const MAX_QUEUED: usize = 4;

/// The state of a neighbour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// The slot has no neighbour.
    Vacant,
    /// Its Ethernet address is not known. Requests are broadcast, and packets wait.
    Incomplete,
    /// Its Ethernet address is known and was confirmed a short time ago.
    Reachable,
    /// Its Ethernet address is known from a request of its own, and was not used yet.
    Stale,
    /// Its Ethernet address is used although it was not confirmed, or not for long: the layers above may confirm it.
    Delay,
    /// Its Ethernet address is used, but was not confirmed in time, or another host claims the IPv4 address. Requests go
    /// to the known address alone.
    Probing,
    /// It did not answer. Packets start the next request, once its time has come.
    Failed,
}

/// A host on the link.
pub(super) struct Neighbour {
    pub(super) address: u32,
    pub(super) mac: Mac,
    pub(super) state: State,
    /// Until when a reachable neighbour is known to be so, and one in the delay is not asked.
    pub(super) until: Instant,
    /// When the last packet was sent to it; [`Instant::ZERO`] for none.
    pub(super) used: Instant,
    /// Before this, no request for it is sent.
    pub(super) request_at: Instant,
    /// Requests sent in this state.
    pub(super) requests: u8,
    /// Whether it is in the list of neighbours with something to do.
    pub(super) is_active: bool,
    /// A router is learned only from answers to requests.
    pub(super) is_router: bool,
    /// Packets that wait for its address.
    pub(super) queue: VecDeque<Vec<u8>>,
}

impl Neighbour {
    pub(super) const fn new(address: u32) -> Self {
        Self {
            address,
            mac: Mac([0; 6]),
            state: State::Incomplete,
            until: Instant::ZERO,
            used: Instant::ZERO,
            request_at: Instant::ZERO,
            requests: 0,
            is_active: false,
            is_router: false,
            queue: VecDeque::new(),
        }
    }

    pub(super) const fn vacant() -> Self {
        let mut neighbour = Self::new(0);
        neighbour.state = State::Vacant;
        neighbour
    }

    /// Sets the state, with the next request at its time.
    pub(super) fn enter(&mut self, state: State) {
        (self.state, self.requests) = (state, 0);
    }

    /// Sets a state that ends at `until`.
    pub(super) fn enter_until(&mut self, state: State, until: Instant) {
        self.until = until;
        self.enter(state);
    }

    /// Records that the neighbour has this Ethernet address, until it has to be confirmed again.
    pub(super) fn confirm(&mut self, mac: Mac, until: Instant) {
        self.mac = mac;
        self.enter_until(State::Reachable, until);
    }

    /// Returns when there is something to do for this neighbour: a request or its time-out.
    pub(super) fn deadline(&self) -> Instant {
        match self.state {
            State::Incomplete | State::Probing => self.request_at,
            State::Reachable | State::Delay if !self.queue.is_empty() => Instant::ZERO,
            _ => NEVER,
        }
    }

    /// Returns in which order neighbours give way to others: those in a lower rank first. `None` for one that has to stay.
    ///
    /// A request that was sent within a second has to stay, as the next one would be too early otherwise; and a
    /// neighbour that was sent to within `in_use` is in use.
    pub(super) fn rank(&self, now: Instant, in_use: Duration) -> Option<u64> {
        let unused_since = u64::try_from(self.used.total_micros()).unwrap_or(0);
        match self.state {
            State::Failed | State::Incomplete if self.request_at <= now && !self.is_active => Some(0),
            State::Reachable | State::Stale | State::Delay | State::Probing
                if !self.is_router && !self.is_active && self.queue.is_empty() =>
            {
                (self.used == Instant::ZERO || self.used + in_use <= now).then_some(1 + unused_since)
            }
            _ => None,
        }
    }
}
