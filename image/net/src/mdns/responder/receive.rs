//! What the responder does with queries and with responses of others (RFC 6762, 5.4, 6, 8.2 and 9).

use core::cmp::Ordering;
use core::net::SocketAddr;

use domain::dep::octseq::array::Array;
use smoltcp::time::{Duration, Instant};

use super::super::message::{HostRecords, MAX_BYTES, Question, Received, Types, local_name, parse};
use super::super::{PORT, discovery};
use super::{Datagram, Destination, Responder, State};

/// The wait after two hosts have probed for the name at once, and this one gave way (8.2).
const TIEBREAK_WAIT: Duration = Duration::from_secs(1);
/// Conflicts after which each further attempt is delayed (8.1 wants five seconds after 15 in ten seconds).
const MAX_FAST_CONFLICTS: u32 = 15;
const SLOW_CONFLICT_WAIT: Duration = Duration::from_secs(10);
/// The time within which records are not sent to the group again (6), but to defend the name against a probe.
const MULTICAST_INTERVAL: Duration = Duration::from_secs(1);
const DEFENCE_INTERVAL: Duration = Duration::from_millis(250);
/// A question for an answer to its sender alone is answered to all if they have not received one for so long (5.4).
const UNICAST_AFTER: Duration = Duration::from_secs(30);
/// Answers to single hosts, at most, in one second.
const MAX_UNICAST_A_SECOND: u32 = 20;

impl Responder {
    /// Handles a datagram to port 5353.
    pub(crate) fn receive(&mut self, payload: &[u8], from: SocketAddr, now: Instant) {
        if self.state == State::Idle {
            return;
        }
        let is_probing = matches!(self.state, State::Probing(_));
        if !is_probing {
            self.discover(payload, from, now);
        }
        let Some(name) = &self.name else { return };
        match parse(payload, name, &self.addresses, is_probing) {
            // Responses of other ports are not of responders (RFC 6762, 6).
            Received::Conflict if from.port() == PORT => self.conflict(now),
            Received::Query(question) if is_probing => {
                // RFC 6762, 8.2: of two hosts that probe at once, the one with the greater records wins.
                if question.probe == Some(Ordering::Greater) {
                    self.enter(State::Probing(0), Some(now + TIEBREAK_WAIT));
                }
            }
            Received::Query(question) => self.answer(&question, payload, from, now),
            Received::Conflict | Received::Unrelated => {}
        }
    }

    /// Another host has the name: it is given up while it is probed for, and probed for anew when it was this host's (9).
    fn conflict(&mut self, now: Instant) {
        if matches!(self.state, State::Probing(_)) {
            self.number += 1;
            self.name = local_name(&self.host_name());
        }
        self.conflicts += 1;
        self.start(now);
        if self.conflicts > MAX_FAST_CONFLICTS && self.state != State::Idle {
            self.next_at = Some(now + SLOW_CONFLICT_WAIT);
        }
    }

    fn answer(&mut self, question: &Question, query: &[u8], from: SocketAddr, now: Instant) {
        let Some(name) = &self.name else { return };
        let records = HostRecords { name, addresses: &self.addresses };
        let Question { types, known, .. } = *question;
        if from.port() != PORT {
            let response = records.legacy_response(query, types);
            return self.send_to_host(response, from, now);
        }
        let wanted = Types { ipv4: types.ipv4 && !known.ipv4, ipv6: types.ipv6 && !known.ipv6 };
        if !wanted.any() {
            return;
        }
        let since = self.multicast_at.map(|at| if at <= now { now - at } else { Duration::ZERO });
        let response = records.response(wanted);
        if question.wants_unicast && since.is_some_and(|since| since < UNICAST_AFTER) && question.probe.is_none() {
            return self.send_to_host(response, from, now);
        }
        let interval = if question.probe.is_some() { DEFENCE_INTERVAL } else { MULTICAST_INTERVAL };
        if since.is_none_or(|since| since >= interval) {
            self.multicast_at = Some(now);
            self.send(response, Destination::Group);
        }
    }

    /// Answers a query for services, or for the name of an address.
    fn discover(&mut self, query: &[u8], from: SocketAddr, now: Instant) {
        let Some(name) = &self.name else { return };
        let records = HostRecords { name, addresses: &self.addresses };
        let is_legacy = from.port() != PORT;
        let Some(found) = discovery::answer(query, &records, &self.host_name(), self.has_http, is_legacy) else {
            return;
        };
        if is_legacy || found.wants_unicast {
            return self.send_to_host(Some(found.payload), from, now);
        }
        if self.discovered_at.is_none_or(|at| at > now || at + MULTICAST_INTERVAL <= now) {
            self.discovered_at = Some(now);
            self.send(Some(found.payload), Destination::Group);
        }
    }

    fn send_to_host(&mut self, response: Option<Array<MAX_BYTES>>, to: SocketAddr, now: Instant) {
        let (since, count) = self.unicast;
        self.unicast = if since + Duration::from_secs(1) <= now { (now, 1) } else { (since, count + 1) };
        if self.unicast.1 <= MAX_UNICAST_A_SECOND {
            self.send(response, Destination::Host(to));
        }
    }

    /// Queues a message. Without room it is lost, as on a wire.
    fn send(&mut self, payload: Option<Array<MAX_BYTES>>, destination: Destination) {
        if let Some(payload) = payload {
            drop(self.queue.push_back(Datagram { destination, payload }));
        }
    }
}
