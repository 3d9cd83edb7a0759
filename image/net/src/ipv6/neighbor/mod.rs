//! The neighbour cache: Ethernet addresses of the hosts on the link, and whether they still answer (RFC 4861, 7).
//!
//! A neighbour that answers keeps its Ethernet address although another claims to have it: the known one is asked first,
//! and only when it does not answer, the claim counts. So a flood of forged advertisements ends no connection.

mod entry;
mod learn;

use alloc::boxed::Box;
use core::hash::BuildHasherDefault;
use core::net::Ipv6Addr;

use heapless::index_map::IndexMap;
use smoltcp::time::{Duration, Instant};

use self::entry::{AddressHasher, Key, Neighbor, State};
use crate::ipv6::NEVER;

/// Neighbours that are known at most. The idle ones make room.
const MAX_NEIGHBORS: usize = 512;
/// Neighbours that are looked for at a time: a scan of a prefix does not evict those that are in use (RFC 6583).
const MAX_INCOMPLETE: usize = 64;
/// MAX_MULTICAST_SOLICIT and MAX_UNICAST_SOLICIT (RFC 4861, 10).
const MAX_SOLICITATIONS: u8 = 3;
/// DELAY_FIRST_PROBE_TIME (RFC 4861, 10).
const DELAY: Duration = Duration::from_secs(5);
/// Bounds of RetransTimer and ReachableTime, which any host of the link can advertise.
const RETRANSMIT_MS: core::ops::RangeInclusive<u32> = 500..=10_000;
const REACHABLE_MS: core::ops::RangeInclusive<u32> = 5_000..=3_600_000;

/// A neighbour solicitation that is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Solicitation {
    pub(crate) target: Ipv6Addr,
    /// The Ethernet address that is asked; `None` for the solicited-node group.
    pub(crate) mac: Option<[u8; 6]>,
}

/// A change that [`Neighbors::poll`] reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NeighborEvent {
    Solicit(Solicitation),
    /// It does not answer: what waits for it is dropped.
    Unreachable(Ipv6Addr),
}

/// What an advertisement or a solicitation has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Learned {
    Nothing,
    /// The Ethernet address is known now: what waits for it can be sent.
    Resolved([u8; 6]),
    /// Another Ethernet address was claimed for a neighbour that answers.
    Conflict,
}

/// The neighbours of an interface.
pub(crate) struct Neighbors {
    table: Box<IndexMap<Key, Neighbor, BuildHasherDefault<AddressHasher>, MAX_NEIGHBORS>>,
    reachable_time: Duration,
    retransmit_time: Duration,
    /// A time before which no state ends.
    deadline: Instant,
}

impl Neighbors {
    pub(crate) fn new() -> Self {
        let (reachable_time, retransmit_time) = (Duration::from_secs(30), Duration::from_secs(1));
        Self { table: Box::default(), reachable_time, retransmit_time, deadline: NEVER }
    }

    /// Forgets all, after the link was down.
    pub(crate) fn clear(&mut self) {
        self.table.clear();
        self.deadline = NEVER;
    }

    /// Returns the number of neighbours.
    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    /// Takes the timers of a router advertisement, within bounds; 0 is unspecified.
    pub(crate) fn set_timers(&mut self, reachable_ms: u32, retransmit_ms: u32) {
        let within = |value: u32, bounds: &core::ops::RangeInclusive<u32>| {
            Duration::from_millis(value.clamp(*bounds.start(), *bounds.end()).into())
        };
        if reachable_ms != 0 {
            self.reachable_time = within(reachable_ms, &REACHABLE_MS);
        }
        if retransmit_ms != 0 {
            self.retransmit_time = within(retransmit_ms, &RETRANSMIT_MS);
        }
    }

    /// Returns the time between solicitations.
    pub(crate) fn retransmit_time(&self) -> Duration {
        self.retransmit_time
    }

    /// Returns the Ethernet address to send to. `None` while it is looked for, which begins here.
    pub(crate) fn lookup(&mut self, address: &Ipv6Addr, now: Instant) -> Option<[u8; 6]> {
        let Some(neighbor) = self.table.get_mut(&Key(address.to_bits())) else {
            self.insert(address, State::Incomplete(0), [0; 6], now, now);
            return None;
        };
        neighbor.used_at = now;
        match neighbor.state {
            State::Reachable | State::Delay | State::Probe(_) => Some(neighbor.mac),
            State::Stale => {
                (neighbor.state, neighbor.deadline, neighbor.is_confirmed) = (State::Delay, now + DELAY, false);
                self.deadline = self.deadline.min(now + DELAY);
                Some(neighbor.mac)
            }
            State::Incomplete(_) => None,
        }
    }

    /// Returns whether a router is not known to be silent (RFC 4861, 6.3.6).
    pub(crate) fn is_reachable(&self, address: &Ipv6Addr) -> bool {
        let neighbor = self.table.get(&Key(address.to_bits()));
        neighbor.is_some_and(|neighbor| !matches!(neighbor.state, State::Incomplete(_)))
    }

    fn insert(&mut self, address: &Ipv6Addr, state: State, mac: [u8; 6], deadline: Instant, now: Instant) {
        let is_incomplete = |neighbor: &Neighbor| matches!(neighbor.state, State::Incomplete(_));
        let incomplete = self.table.values().filter(|neighbor| is_incomplete(neighbor)).count();
        let is_full = self.table.len() == self.table.capacity();
        if is_full || (incomplete >= MAX_INCOMPLETE && matches!(state, State::Incomplete(_))) {
            // First those that were looked for, then idle hosts, then the others, then routers; the longest unused of each.
            let rank = |neighbor: &Neighbor| match neighbor.state {
                State::Incomplete(_) if incomplete >= MAX_INCOMPLETE => 0,
                _ if neighbor.is_router => 3,
                State::Stale => 1,
                _ => 2,
            };
            let victim = self.table.iter().min_by_key(|(_, neighbor)| (rank(neighbor), neighbor.used_at));
            if let Some(key) = victim.map(|(key, _)| *key) {
                self.table.swap_remove(&key);
            }
        }
        let neighbor = Neighbor { state, mac, deadline, used_at: now, is_confirmed: false, is_router: false };
        // There is room now.
        drop(self.table.insert(Key(address.to_bits()), neighbor));
        self.deadline = self.deadline.min(deadline);
    }

    /// Returns a time before which [`poll`](Self::poll) has nothing to do.
    pub(crate) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Returns the next event that is due at `now`; `None` when there is none.
    pub(crate) fn poll(&mut self, now: Instant) -> Option<NeighborEvent> {
        if now < self.deadline {
            return None;
        }
        let (reachable_time, retransmit_time) = (self.reachable_time, self.retransmit_time);
        self.deadline = NEVER;
        for index in 0..self.table.len() {
            let Some((key, neighbor)) = self.table.get_index_mut(index) else { break };
            let target = Ipv6Addr::from_bits(key.0);
            if neighbor.deadline > now {
                self.deadline = self.deadline.min(neighbor.deadline);
                continue;
            }
            let solicit = |mac| Some(NeighborEvent::Solicit(Solicitation { target, mac }));
            let mut event = None;
            (neighbor.state, neighbor.deadline) = match neighbor.state {
                State::Reachable if core::mem::take(&mut neighbor.is_confirmed) => {
                    (State::Reachable, now + reachable_time)
                }
                State::Reachable | State::Stale => (State::Stale, NEVER),
                State::Delay => {
                    event = solicit(Some(neighbor.mac));
                    (State::Probe(1), now + retransmit_time)
                }
                State::Probe(sent) if sent < MAX_SOLICITATIONS => {
                    event = solicit(Some(neighbor.mac));
                    (State::Probe(sent + 1), now + retransmit_time)
                }
                // It may have another Ethernet address now.
                State::Probe(_) => {
                    event = solicit(None);
                    (State::Incomplete(1), now + retransmit_time)
                }
                State::Incomplete(sent) if sent < MAX_SOLICITATIONS => {
                    event = solicit(None);
                    (State::Incomplete(sent + 1), now + retransmit_time)
                }
                State::Incomplete(_) => {
                    self.table.swap_remove(&Key(target.to_bits()));
                    // Those behind it are looked at in the next call.
                    self.deadline = now;
                    return Some(NeighborEvent::Unreachable(target));
                }
            };
            self.deadline = self.deadline.min(neighbor.deadline);
            if event.is_some() {
                self.deadline = now;
                return event;
            }
        }
        None
    }
}

#[cfg(test)]
mod tests;
