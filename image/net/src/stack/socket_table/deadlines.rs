//! When sockets have to be polled though nothing arrives for them.
//!
//! smoltcp returns this time, but to compute it takes as long as to process a small segment. After the usual steps of a
//! connection, a time is known before which nothing is due, and a poll that is too early does no harm.

use smoltcp::socket::tcp;
use smoltcp::time::{Duration, Instant};

use super::{NEVER, SocketId, SocketTable};

/// The minimum until a segment is sent again (RFC 6298, 2.4).
const MIN_RETRANSMIT: Duration = Duration::from_secs(1);

impl SocketTable {
    /// Updates the deadline of a socket that was passed a segment, where that is simple: in ESTABLISHED with nothing to
    /// send, the first data since it was polled begins the delay of an acknowledgement, and nothing else is due (RFC 9293,
    /// 3.8.6.3). Returns whether it was.
    #[inline]
    pub(in crate::stack) fn was_passed_segment(&mut self, id: SocketId, now: Instant) -> bool {
        let Some(entry) = self.entry(id) else { return false };
        let Some(socket) = entry.socket() else { return false };
        if socket.state() != tcp::State::Established || socket.send_queue() > 0 {
            return false;
        }
        if socket.recv_queue() == 0 {
            return true;
        }
        let at = socket.ack_delay().map_or(now, |delay| now + delay);
        if entry.acknowledge_at != NEVER {
            return false;
        }
        entry.acknowledge_at = at;
        self.deadline = self.deadline.min(at);
        true
    }

    /// Updates the deadline of a socket that has just sent a segment, where that is simple: in ESTABLISHED, when it was the
    /// last one that there is to send, nothing is due before a retransmission. Returns whether it was.
    #[inline]
    pub(in crate::stack) fn has_sent_last(&mut self, id: SocketId, now: Instant) -> bool {
        let Some(entry) = self.entry(id) else { return false };
        let Some((connection, Some(socket))) = entry.connection() else { return false };
        if socket.state() != tcp::State::Established || !connection.has_sent_last() {
            return false;
        }
        // The timer of an earlier segment may run.
        let at = entry.deadline.min(now + MIN_RETRANSMIT);
        entry.deadline = at;
        self.deadline = self.deadline.min(at);
        true
    }

    /// Sets when to poll a socket; queues it if that is now.
    pub(in crate::stack) fn set_deadline(&mut self, id: SocketId, at: Option<Instant>, now: Instant) {
        if at.is_some_and(|at| at <= now) {
            self.queue(id);
            return;
        }
        let at = at.unwrap_or(NEVER);
        if let Some(entry) = self.entry(id) {
            entry.deadline = at;
        }
        // A lower bound: it stays when the socket with the earliest deadline gets a later one.
        self.deadline = self.deadline.min(at);
    }

    /// Returns a time before which no deadline ends.
    pub(in crate::stack) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Queues the sockets whose deadline has ended.
    pub(in crate::stack) fn queue_due(&mut self, now: Instant) {
        if now < self.deadline {
            return;
        }
        self.deadline = NEVER;
        for id in self.ids() {
            let Some(entry) = self.entry(id) else { continue };
            let deadline = entry.deadline.min(entry.acknowledge_at);
            if deadline > now {
                self.deadline = self.deadline.min(deadline);
                continue;
            }
            (entry.deadline, entry.acknowledge_at) = (NEVER, NEVER);
            self.queue(id);
        }
    }
}
