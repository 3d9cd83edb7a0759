//! The neighbours of an interface and their Ethernet addresses, by ARP (RFC 826; RFC 1122, 2.3.2), and whether they are
//! reachable there (as RFC 4861, 7.3 has it for IPv6).
//!
//! An address that is known is confirmed once a minute while it is used: by the progress of a TCP connection, or else by a
//! request to that address alone. One that was learned from a request of its owner is used at once and confirmed in the
//! same way, so that a forged or damaged request leads packets astray for seconds only. A host that claims the address of
//! another one by an unsolicited reply or announcement does not get its packets: the known owner is asked first, and only
//! when it does not answer, the question goes to all.

mod learn;
mod neighbour;
mod poll;
mod table;

use alloc::vec::Vec;

use smoltcp::time::{Duration, Instant};

use self::neighbour::{MAX_QUEUED, Neighbour, State};
use self::table::Table;
use super::drops::DropReason;
use crate::mac::Mac;

/// Between two requests for the same neighbour (RFC 1122, 2.3.2.1).
const REQUEST_INTERVAL: Duration = Duration::from_secs(1);
/// Requests without an answer after which a neighbour is unreachable.
const MAX_REQUESTS: u8 = 3;
/// Requests to the known address without an answer after which all hosts are asked.
const MAX_PROBES: u8 = 2;
/// How long an address is used before it is confirmed again.
const CONFIRMED: Duration = Duration::from_secs(60);
/// How long an address that was not confirmed is used before its owner is asked: the layers above may confirm it
/// meanwhile (DELAY_FIRST_PROBE_TIME of RFC 4861, 10).
const DELAY: Duration = Duration::from_secs(5);
/// A neighbour that was sent to within this time is not evicted.
const IN_USE: Duration = Duration::from_secs(1);
/// Neighbours whose requests are under way, and how many may be before known addresses are used without a request.
const MAX_ACTIVE: usize = 512;
const MAX_ACTIVE_TO_PROBE: usize = MAX_ACTIVE / 2;
/// Packets that wait for neighbours, and their bytes.
const MAX_QUEUED_PACKETS: usize = 512;
const MAX_QUEUED_BYTES: usize = 256 * 1024;
/// Later than any time.
const NEVER: Instant = Instant::from_micros_const(i64::MAX);

/// A request that is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) target: u32,
    /// The station to ask, or all.
    pub(super) destination: Mac,
}

/// What [`NeighbourTable::poll`] has to be done.
pub(super) trait Output {
    /// Returns whether there is room for a frame.
    fn has_room(&mut self) -> bool;
    /// Sends a request.
    fn request(&mut self, request: Request);
    /// Sends a packet whose neighbour is known now.
    fn packet(&mut self, packet: &[u8], destination: Mac);
    /// Reports a packet whose neighbour did not answer.
    fn unreachable(&mut self, packet: &[u8]);
}

/// The neighbours of an interface.
pub(super) struct NeighbourTable {
    table: Table,
    /// The slots of neighbours that wait for an answer, or have packets to send.
    active: Vec<u16>,
    queued_packets: usize,
    queued_bytes: usize,
    /// A time before which nothing has to be done.
    deadline: Instant,
}

impl NeighbourTable {
    pub(super) const fn new(seed: u64) -> Self {
        Self { table: Table::new(seed), active: Vec::new(), queued_packets: 0, queued_bytes: 0, deadline: NEVER }
    }

    /// Returns the number of neighbours.
    pub(super) fn len(&self) -> usize {
        self.table.len()
    }

    /// Returns whether packets wait.
    pub(super) fn has_queued(&self) -> bool {
        self.queued_packets > 0
    }

    /// Forgets all neighbours, and drops the packets that wait for them.
    pub(super) fn clear(&mut self) {
        let mut slots = Vec::new();
        self.table.for_each(|slot, _| slots.push(slot));
        slots.into_iter().for_each(|slot| self.table.remove(slot));
        self.active.clear();
        (self.queued_packets, self.queued_bytes, self.deadline) = (0, 0, NEVER);
    }

    /// Returns a time before which [`poll`](Self::poll) has nothing to do.
    #[inline]
    pub(super) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Returns the Ethernet address of a neighbour that is sent to now, if it is known.
    #[inline]
    pub(super) fn lookup(&mut self, address: u32, now: Instant) -> Option<Mac> {
        let slot = self.table.find(address)?;
        let neighbour = self.table.get(slot);
        neighbour.used = now;
        match neighbour.state {
            State::Reachable if now < neighbour.until => Some(neighbour.mac),
            _ => self.lookup_unconfirmed(slot, now),
        }
    }

    #[cold]
    fn lookup_unconfirmed(&mut self, slot: u16, now: Instant) -> Option<Mac> {
        let neighbour = self.table.get(slot);
        let mac = neighbour.mac;
        match neighbour.state {
            State::Reachable | State::Stale => neighbour.enter_until(State::Delay, now + DELAY),
            State::Delay if now >= neighbour.until => self.probe(slot, now),
            State::Delay | State::Probing => {}
            State::Vacant | State::Incomplete | State::Failed => return None,
        }
        Some(mac)
    }

    /// Asks the owner of a known address whether it still has it.
    fn probe(&mut self, slot: u16, now: Instant) {
        if self.active.len() < MAX_ACTIVE_TO_PROBE {
            self.table.get(slot).enter(State::Probing);
            self.activate(slot, now);
        }
    }

    /// Queues a packet for a neighbour whose address is not known, and asks for it.
    pub(super) fn queue(&mut self, address: u32, packet: &[u8], now: Instant) -> Result<(), DropReason> {
        if let Some(slot) = self.table.find(address)
            && self.table.get(slot).queue.len() == MAX_QUEUED
            && let Some(oldest) = self.table.get(slot).queue.pop_front()
        {
            self.queued_packets -= 1;
            self.queued_bytes -= oldest.len();
        }
        if self.queued_packets >= MAX_QUEUED_PACKETS || self.queued_bytes + packet.len() > MAX_QUEUED_BYTES {
            return Err(DropReason::NeighbourQueueFull);
        }
        let slot = self.find_or_insert(address, now)?;
        let neighbour = self.table.get(slot);
        if neighbour.state == State::Failed {
            // Packets to a host that does not answer wait for the next request only.
            neighbour.enter(State::Incomplete);
        }
        let mut copy = Vec::new();
        if copy.try_reserve_exact(packet.len()).is_err() || neighbour.queue.try_reserve(1).is_err() {
            return Err(DropReason::NoMemory);
        }
        copy.extend_from_slice(packet);
        neighbour.queue.push_back(copy);
        self.queued_packets += 1;
        self.queued_bytes += packet.len();
        self.activate(slot, now);
        Ok(())
    }

    fn find_or_insert(&mut self, address: u32, now: Instant) -> Result<u16, DropReason> {
        if let Some(slot) = self.table.find(address) {
            return Ok(slot);
        }
        // Active ones are not evicted, so that their number is that of the list.
        if self.active.len() >= MAX_ACTIVE || self.active.try_reserve(1).is_err() {
            return Err(DropReason::NeighbourTableFull);
        }
        let rank = |other: &Neighbour| other.rank(now, IN_USE);
        let slot = self.table.insert(Neighbour::new(address), rank).ok_or(DropReason::NeighbourTableFull)?;
        self.table.get(slot).used = now;
        Ok(slot)
    }

    /// Puts a neighbour into the list of those with something to do.
    fn activate(&mut self, slot: u16, now: Instant) {
        let neighbour = self.table.get(slot);
        if !neighbour.is_active {
            if self.active.try_reserve(1).is_err() {
                return;
            }
            neighbour.is_active = true;
            self.active.push(slot);
        }
        self.deadline = self.deadline.min(self.table.get(slot).deadline().max(now));
    }
}

#[cfg(test)]
mod tests;
