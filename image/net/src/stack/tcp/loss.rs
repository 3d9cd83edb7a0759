//! Losses that smoltcp finds late: it sends the lowest segment again after three duplicate acknowledgements, which need three
//! later segments, or after a second at least.
//!
//! When nothing was acknowledged for about two round trips, it is made to send the lowest segment again at once, as a tail
//! loss probe does (RFC 8985, 7), and again after twice that time: smoltcp's own timer doubles with each loss of a transfer, not
//! of a segment. After that, an acknowledgement of a part of what was in flight shows the next loss, which is sent again
//! without waiting (RFC 6582, 3.2).

use smoltcp::socket::tcp::{Socket, State};
use smoltcp::time::{Duration, Instant};

use super::adopt::inject_packet;
use super::connection::Connection;
use super::wire::is_before;
use crate::segment::Segment;
use crate::stack::engine::Engine;
use crate::stack::socket_table::{Entry, NEVER, SocketId};

/// The interval at which connections are looked at, and the shortest time without an acknowledgement that is taken for a loss.
pub(super) const INTERVAL: Duration = Duration::from_millis(100);
const MIN_WAIT_US: u64 = 200_000;
/// How long a peer may delay the acknowledgement of a single segment (RFC 8985, 7.2).
const DELAYED_ACK_US: u64 = 200_000;

/// The longest wait is the shortest one times two to this.
const MAX_BACKOFF: u32 = 6;
/// Acknowledgements in turn that show a loss at most: if nothing was lost, and all is only late, each one has a segment sent
/// twice.
const MAX_PARTIAL_ACKNOWLEDGEMENTS: u8 = 64;

/// What is known of the time that acknowledgements take, and since when there was none.
#[derive(Debug)]
pub(super) struct LossTimer {
    /// The lowest sequence number that was not acknowledged, and since when it was so or was sent again; `None` with nothing in
    /// flight.
    unacknowledged: Option<u32>,
    since: Instant,
    /// How often something was sent again since a round trip was measured, each time after twice as long (RFC 6298, 5.5).
    backoff: u32,
    /// The end of what had been sent at a time, and the retransmissions until then; `None` once it was acknowledged.
    timed: Option<(u32, Instant, u32)>,
    /// A round trip, where it takes longer than the interval: paths with long queues.
    round_trip_us: u64,
}

impl LossTimer {
    pub(super) const fn new() -> Self {
        Self { unacknowledged: None, since: Instant::ZERO, backoff: 0, timed: None, round_trip_us: 0 }
    }

    /// Takes what is not acknowledged, from the lowest number to the end, the number of retransmissions, and the least time to
    /// wait. Returns whether the lowest segment is probably lost.
    fn check(&mut self, (lowest, end): (u32, u32), retransmissions: u32, wait_us: u64, now: Instant) -> bool {
        if let Some((timed, at, before)) = self.timed
            && !is_before(lowest, timed)
        {
            let taken = now - at;
            if taken <= INTERVAL {
                (self.round_trip_us, self.backoff) = (0, 0);
            } else if retransmissions == before {
                // Otherwise it is not known which of two segments was acknowledged (RFC 6298, 3).
                (self.round_trip_us, self.backoff) = (taken.total_micros(), 0);
            }
            self.timed = None;
        }
        if self.timed.is_none() && lowest != end {
            self.timed = Some((end, now, retransmissions));
        }
        let in_flight = Some(lowest).filter(|lowest| *lowest != end);
        if in_flight.is_none() || in_flight != self.unacknowledged {
            (self.unacknowledged, self.since) = (in_flight, now);
            return false;
        }
        let wait = Duration::from_micros(wait_us.max(self.round_trip_us * 2) << self.backoff);
        if now < self.since + wait {
            return false;
        }
        (self.since, self.backoff) = (now, MAX_BACKOFF.min(self.backoff + 1));
        true
    }
}

impl Connection {
    /// Returns whether the lowest segment that was not acknowledged is probably lost.
    fn has_lost(&mut self, socket: &Socket<'_>, now: Instant) -> bool {
        let is_sending =
            !matches!(socket.state(), State::SynSent | State::SynReceived | State::Closed | State::TimeWait);
        if !is_sending || self.window == 0 || socket.send_queue() == 0 {
            return false;
        }
        let (unacknowledged, end) = (self.unacknowledged(socket), self.sent_end);
        let mss = self.options.max_segment_bytes.unwrap_or(super::syn_queue::DEFAULT_SEGMENT_BYTES);
        let is_one = end.wrapping_sub(unacknowledged) <= u32::from(mss);
        let wait = MIN_WAIT_US.max(u64::from(self.handshake_us) * 2) + if is_one { DELAYED_ACK_US } else { 0 };
        self.loss.check((unacknowledged, end), self.retransmissions, wait, now)
    }
}

impl Engine {
    /// Handles an acknowledgement of a connection that has sent something again. `packet` is as smoltcp receives it, and
    /// `acknowledgement` as on the wire. Returns whether smoltcp has processed it.
    #[cold]
    pub(super) fn recover(
        &mut self,
        id: SocketId,
        packet: &[u8],
        segment: &Segment,
        acknowledgement: u32,
        now: Instant,
    ) -> bool {
        self.release_acknowledgement(now);
        let Some((connection, Some(socket))) = self.sockets.connection(id) else { return false };
        let Some(end) = connection.recovery else { return false };
        if now <= connection.loss.since + INTERVAL {
            // The path is short.
            connection.loss.backoff = 0;
        }
        // What was sent before the segment that was sent again has arrived before it, or is lost, or the peer keeps nothing
        // behind a loss.
        if !is_before(acknowledgement, end) || connection.partial_acknowledgements == MAX_PARTIAL_ACKNOWLEDGEMENTS {
            (connection.recovery, connection.partial_acknowledgements) = (None, 0);
            return false;
        }
        let is_new = is_before(connection.unacknowledged(socket), acknowledgement);
        let data_offset = packet.get(segment.range.start + 12).map_or(0, |byte| usize::from(byte >> 4) * 4);
        if !is_new || segment.range.len() != data_offset {
            return false;
        }
        connection.partial_acknowledgements += 1;
        let Some(Entry { set, .. }) = self.sockets.entry(id) else { return false };
        inject_packet(packet.get(..segment.range.end).unwrap_or_default(), &mut self.interface, set, now);
        self.retransmit_soon(id, now);
        if !self.sockets.was_passed_segment(id, now) {
            self.reschedule(id, false, now);
        }
        true
    }

    /// Looks for losses of all connections. Returns when to look again.
    pub(super) fn check_losses(&mut self, now: Instant) -> Instant {
        let mut next = NEVER;
        for id in self.sockets.ids() {
            let Some((connection, Some(socket))) = self.sockets.connection(id) else { continue };
            next = now + INTERVAL;
            if connection.has_lost(socket, now) {
                self.retransmit_soon(id, now);
            }
        }
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_acknowledged_for_two_round_trips_is_lost() {
        let mut timer = LossTimer::new();
        let mut is_lost = |lowest: u32, end: u32, retransmissions: u32, milliseconds: i64| {
            timer.check((lowest, end), retransmissions, MIN_WAIT_US, Instant::from_millis(milliseconds))
        };
        assert!(!is_lost(1000, 1000, 0, 0), "nothing is in flight");
        assert!(!is_lost(1000, 3000, 0, 100) && !is_lost(1000, 3000, 0, 200));
        assert!(is_lost(1000, 3000, 0, 300));
        assert!(!is_lost(1000, 3000, 1, 600));
        assert!(is_lost(1000, 3000, 1, 700), "again after twice the time");
        // It is not known how long the round trip was: a third time twice as long.
        assert!(!is_lost(3000, 5000, 2, 1000));
        assert!(!is_lost(3000, 5000, 2, 1700));
        assert!(is_lost(3000, 5000, 2, 1800));
        // A short one.
        assert!(!is_lost(5000, 5000, 3, 1900));
        assert!(!is_lost(5000, 6000, 3, 2000));
        assert!(!is_lost(6000, 7000, 3, 2100));
        assert!(!is_lost(6000, 7000, 3, 2200));
        assert!(is_lost(6000, 7000, 3, 2300));
    }

    #[test]
    fn a_long_path_has_its_time() {
        let mut timer = LossTimer::new();
        let mut is_lost = |lowest: u32, end: u32, retransmissions: u32, milliseconds: i64| {
            timer.check((lowest, end), retransmissions, MIN_WAIT_US, Instant::from_millis(milliseconds))
        };
        // The round trip takes 450 ms: once it is waited for too short, then it is measured.
        assert!(!is_lost(0, 1000, 0, 0) && is_lost(0, 1000, 0, 200));
        assert!(!is_lost(1000, 2000, 1, 450));
        assert!(!is_lost(1000, 2000, 1, 700) && is_lost(1000, 2000, 1, 850));
        assert!(!is_lost(2000, 3000, 2, 900));
        assert!(!is_lost(2000, 3000, 2, 1300));
        assert!(!is_lost(3000, 4000, 2, 1350));
        for at in [1400, 1600, 1800, 2000, 2200] {
            assert!(!is_lost(3000, 4000, 2, at), "{at} ms");
        }
        assert!(is_lost(3000, 4000, 2, 2300));
    }
}
