//! What the client does with the answers of servers, in each state.

use smoltcp::time::{Duration, Instant};

use super::super::lease::Lease;
use super::super::message::{Reply, ReplyType};
use super::{Client, State};

impl Client {
    /// Handles the payload of a datagram from port 67 to port 68.
    pub(crate) fn receive(&mut self, payload: &[u8], now: Instant) {
        if matches!(self.state, State::Stopped | State::Init | State::Bound | State::Declining { .. }) {
            return;
        }
        let Some(reply) = Reply::parse(payload, self.mac, self.transaction_id) else { return };
        match (reply.reply_type, &self.state) {
            (ReplyType::Offer, State::Selecting) => self.offered(&reply, now),
            (ReplyType::Ack, State::Requesting { address, server })
                if (reply.address, reply.server) == (*address, *server) =>
            {
                self.acknowledged(&reply, now);
            }
            (ReplyType::Ack, State::Renewing | State::Rebinding | State::Rebooting) => {
                let is_same = self.lease.as_ref().is_some_and(|lease| lease.address == reply.address);
                if is_same && self.is_from_right_server(&reply) {
                    self.acknowledged(&reply, now);
                }
            }
            (ReplyType::Nak, State::Requesting { server, address }) if reply.server == *server => {
                if self.lease.as_ref().is_some_and(|lease| lease.address == *address) {
                    self.lease = None;
                    self.is_config_changed = true;
                }
                self.refused(now);
            }
            (ReplyType::Nak, State::Renewing | State::Rebinding | State::Rebooting)
                if self.is_from_right_server(&reply) =>
            {
                self.lease = None;
                self.is_config_changed = true;
                self.refused(now);
            }
            _ => {}
        }
    }

    /// A lease is renewed by its server; REBINDING and REBOOTING ask all.
    fn is_from_right_server(&self, reply: &Reply<'_>) -> bool {
        self.state != State::Renewing || self.lease.as_ref().is_some_and(|lease| lease.server == reply.server)
    }

    fn offered(&mut self, reply: &Reply<'_>, now: Instant) {
        if Lease::of(reply, now, None).is_some() {
            let state = State::Requesting { address: reply.address, server: reply.server };
            // The request belongs to the same exchange as the offer.
            let (transaction_id, began_at) = (self.transaction_id, self.began_at);
            self.enter(state, Some(now), now);
            (self.transaction_id, self.began_at) = (transaction_id, began_at);
        }
    }

    fn acknowledged(&mut self, reply: &Reply<'_>, now: Instant) {
        let Some(lease) = Lease::of(reply, self.sent_at, self.lease.as_ref()) else { return };
        if lease.times.end.is_some_and(|end| end <= now) {
            return;
        }
        let renewal = lease.times.renewal;
        self.lease = Some(lease);
        self.is_config_changed = true;
        self.has_reported_no_server = false;
        self.refusals = 0;
        self.enter(State::Bound, renewal, now);
    }

    /// Starts over after a NAK, later each time: a server that refuses what it offers would otherwise be asked for ever.
    fn refused(&mut self, now: Instant) {
        let wait = Duration::from_secs(1 << self.refusals.min(6));
        self.refusals += 1;
        self.enter(State::Init, Some(now + wait), now);
    }
}
