//! What is learned of neighbours: by ARP, and from the layers above.

use smoltcp::time::Instant;

use super::neighbour::{Neighbour, State};
use super::{CONFIRMED, DELAY, IN_USE, NeighbourTable};
use crate::link::arp::{ArpPacket, Operation};

impl NeighbourTable {
    /// Marks a neighbour as a router: one that is learned only from answers to requests.
    pub(in crate::link) fn set_router(&mut self, address: u32, now: Instant) {
        if let Ok(slot) = self.find_or_insert(address, now) {
            let neighbour = self.table.get(slot);
            neighbour.is_router = true;
            if let State::Stale | State::Delay = neighbour.state {
                // Learned from a request, before it was known to be a router.
                neighbour.enter(State::Incomplete);
            }
            self.activate(slot, now);
        }
    }

    /// Learns from an ARP packet that was sent to this host or to all. `is_for_us`: its target is an address of ours.
    pub(in crate::link) fn learn(&mut self, packet: &ArpPacket, is_for_us: bool, now: Instant) {
        let Some(slot) = self.table.find(packet.sender.to_bits()) else {
            // One that asks for this host will be answered soon (RFC 826): no request of ours is needed then.
            if is_for_us && packet.operation == Operation::Request {
                self.learn_stranger(packet, now);
            }
            return;
        };
        let neighbour = self.table.get(slot);
        let is_answer = is_for_us && packet.operation == Operation::Reply;
        let is_other = neighbour.mac != packet.sender_mac;
        match neighbour.state {
            State::Incomplete if is_answer => neighbour.confirm(packet.sender_mac, now + CONFIRMED),
            State::Probing if is_answer && !is_other => neighbour.confirm(packet.sender_mac, now + CONFIRMED),
            State::Incomplete | State::Failed if is_for_us && !neighbour.is_router => {
                neighbour.mac = packet.sender_mac;
                match neighbour.queue.is_empty() {
                    true => neighbour.enter(State::Stale),
                    // What waits is sent, which uses the address.
                    false => neighbour.enter_until(State::Delay, now + DELAY),
                }
            }
            // The latest claim is as good as the one before: neither was used.
            State::Stale if is_other && !neighbour.is_router => neighbour.mac = packet.sender_mac,
            // Another host claims the address: its owner is asked.
            State::Reachable | State::Delay if is_other => neighbour.enter(State::Probing),
            _ => return,
        }
        self.activate(slot, now);
    }

    fn learn_stranger(&mut self, packet: &ArpPacket, now: Instant) {
        let mut neighbour = Neighbour::new(packet.sender.to_bits());
        neighbour.mac = packet.sender_mac;
        neighbour.enter(State::Stale);
        // One that was never sent to replaces only others of its kind.
        let rank = |other: &Neighbour| other.rank(now, IN_USE).filter(|_| other.used == Instant::ZERO);
        self.table.insert(neighbour, rank);
    }

    /// Records that a neighbour has received what was sent to it: a connection through it makes progress.
    pub(in crate::link) fn confirm(&mut self, address: u32, now: Instant) {
        let Some(slot) = self.table.find(address) else { return };
        let neighbour = self.table.get(slot);
        if let State::Reachable | State::Stale | State::Delay | State::Probing = neighbour.state {
            neighbour.confirm(neighbour.mac, now + CONFIRMED);
        }
    }

    /// Asks a neighbour whether it is still there, as something that was sent through it was not acknowledged: unless it
    /// was confirmed a moment ago.
    pub(in crate::link) fn suspect(&mut self, address: u32, now: Instant) {
        let Some(slot) = self.table.find(address) else { return };
        let neighbour = self.table.get(slot);
        match neighbour.state {
            State::Stale | State::Delay => self.probe(slot, now),
            State::Reachable if neighbour.until < now + (CONFIRMED - DELAY) => self.probe(slot, now),
            _ => {}
        }
    }
}
