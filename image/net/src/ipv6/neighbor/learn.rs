//! What is learned of neighbours: by neighbour discovery, and from the layers above.

use core::net::Ipv6Addr;

use smoltcp::time::Instant;

use super::entry::{Key, State};
use super::{DELAY, Learned, Neighbors};
use crate::ipv6::NEVER;
use crate::ipv6::ndp::Advertisement;

impl Neighbors {
    /// Notes that a neighbour has answered a packet (RFC 4861, 7.3.1).
    pub(crate) fn confirm(&mut self, address: &Ipv6Addr, now: Instant) {
        let Some(neighbor) = self.table.get_mut(&Key(address.to_bits())) else { return };
        neighbor.is_confirmed = true;
        if matches!(neighbor.state, State::Stale | State::Delay | State::Probe(_)) {
            let deadline = now + self.reachable_time;
            (neighbor.state, neighbor.deadline) = (State::Reachable, deadline);
            self.deadline = self.deadline.min(deadline);
        }
    }

    /// Asks a neighbour that may be gone, unless it has answered a moment ago.
    pub(crate) fn suspect(&mut self, address: &Ipv6Addr, now: Instant) {
        let confirmed_before = now + self.reachable_time - DELAY;
        let Some(neighbor) = self.table.get_mut(&Key(address.to_bits())) else { return };
        let is_doubtful = match neighbor.state {
            State::Stale | State::Delay => true,
            State::Reachable => !neighbor.is_confirmed && neighbor.deadline <= confirmed_before,
            State::Incomplete(_) | State::Probe(_) => false,
        };
        if is_doubtful {
            (neighbor.state, neighbor.deadline, neighbor.is_confirmed) = (State::Probe(0), now, false);
            self.deadline = now;
        }
    }

    /// Takes the Ethernet address of the sender of a solicitation or of a router's message (RFC 4861, 7.2.3).
    pub(crate) fn seen(&mut self, address: &Ipv6Addr, mac: [u8; 6], is_router: bool, now: Instant) -> Learned {
        let Some(neighbor) = self.table.get_mut(&Key(address.to_bits())) else {
            self.insert(address, State::Stale, mac, NEVER, now);
            if let Some(neighbor) = self.table.get_mut(&Key(address.to_bits())) {
                neighbor.is_router = is_router;
            }
            return Learned::Nothing;
        };
        neighbor.is_router |= is_router;
        match neighbor.state {
            State::Incomplete(_) => {
                (neighbor.state, neighbor.mac, neighbor.deadline) = (State::Stale, mac, NEVER);
                Learned::Resolved(mac)
            }
            _ if neighbor.mac == mac => Learned::Nothing,
            _ => self.contest(address, mac, now),
        }
    }

    /// Handles a neighbour advertisement (RFC 4861, 7.2.5). One for an address that was not asked for is not entered.
    pub(crate) fn advertised(&mut self, advertisement: &Advertisement, now: Instant) -> Learned {
        let reachable_until = now + self.reachable_time;
        let Some(neighbor) = self.table.get_mut(&Key(advertisement.target.to_bits())) else { return Learned::Nothing };
        neighbor.is_router = advertisement.is_router;
        let mac = match (neighbor.state, advertisement.mac) {
            (State::Incomplete(_), None) => return Learned::Nothing,
            (_, None) => neighbor.mac,
            (_, Some(mac)) => mac,
        };
        if let State::Incomplete(_) = neighbor.state {
            neighbor.mac = mac;
            (neighbor.state, neighbor.deadline) =
                if advertisement.is_solicited { (State::Reachable, reachable_until) } else { (State::Stale, NEVER) };
            self.deadline = self.deadline.min(neighbor.deadline);
            return Learned::Resolved(mac);
        }
        if neighbor.mac != mac {
            return match advertisement.is_override {
                true => self.contest(&advertisement.target, mac, now),
                // Not meant to replace what is known: whether that still holds is asked when it is used again.
                false if neighbor.state == State::Reachable => {
                    (neighbor.state, neighbor.deadline) = (State::Stale, NEVER);
                    Learned::Conflict
                }
                false => Learned::Conflict,
            };
        }
        if advertisement.is_solicited {
            (neighbor.state, neighbor.deadline, neighbor.is_confirmed) = (State::Reachable, reachable_until, false);
            self.deadline = self.deadline.min(reachable_until);
        }
        Learned::Nothing
    }

    /// Handles the claim of another Ethernet address: a neighbour that is not in use has it at once, one in use is asked
    /// by the address that is known.
    fn contest(&mut self, address: &Ipv6Addr, mac: [u8; 6], now: Instant) -> Learned {
        let Some(neighbor) = self.table.get_mut(&Key(address.to_bits())) else { return Learned::Nothing };
        match neighbor.state {
            State::Stale if now - neighbor.used_at > self.reachable_time => neighbor.mac = mac,
            State::Stale | State::Delay | State::Reachable => {
                (neighbor.state, neighbor.deadline, neighbor.is_confirmed) = (State::Probe(0), now, false);
                self.deadline = now;
            }
            State::Probe(_) | State::Incomplete(_) => {}
        }
        Learned::Conflict
    }
}
