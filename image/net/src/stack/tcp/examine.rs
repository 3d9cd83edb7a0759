//! What a tick finds out about a connection: whether its peer answers, and what it is waiting for.

use smoltcp::socket::tcp::{Socket, State};
use smoltcp::time::{Duration, Instant};

use super::connection::Connection;
use super::tick::TICK;
use crate::stack::socket_table::NEVER;

/// Ticks after which a closed connection without a stream is forgotten, if the peer does not close its side.
const FIN_WAIT_TICKS: u32 = 20;
/// Ticks after which one without a stream is forgotten whose peer acknowledges nothing: data, which may not fit into its
/// window, or the FIN. On Linux, this is a number of retransmissions.
const ORPHAN_TICKS: u32 = 60;
/// The interval of keep-alive probes that are not answered, and how many are sent.
const PROBE_INTERVAL: Duration = Duration::from_secs(15);
const MAX_PROBES: u8 = 6;
/// Ticks without an acknowledgement after which long packets may have vanished: two retransmissions, after one second and
/// two more, have done nothing.
const BLACK_HOLE_TICKS: [u32; 3] = [4, 8, 16];
/// Ticks without any segment of the peer after which something was sent again.
const UNANSWERED_TICKS: u32 = 2;
/// Ticks after which a closed window is looked at again: when the retransmission timer, which doubles, has stopped.
const STUCK_TICKS: [u32; 5] = [4, 8, 16, 32, 64];
/// Packets up to this length pass every path (RFC 1191, 7.1 for IPv4; RFC 8200, 5 for IPv6).
const SAFE_PACKET_BYTES: usize = 576;

/// What a tick has found out about a connection.
pub(super) enum Finding {
    Nothing,
    /// Something new was acknowledged.
    Progress,
    /// Something was sent again, and the peer is silent.
    Unanswered,
    /// Nothing is queued in either direction, and was not for a while.
    Idle,
    /// The peer is given up.
    TimedOut,
    /// The stream is gone and the peer sends more: it will not be read (RFC 1122, 4.2.2.13).
    Unread,
    /// The stream is gone, and the peer does not close its side.
    Abandoned,
    /// The stream is gone, and only FINs and their acknowledgements are left to exchange.
    Closing,
    /// The window was closed with data in flight: smoltcp starts no timer for probes then.
    Stuck,
    /// Segments of this length may not arrive.
    BlackHole(u16),
    /// A keep-alive probe is due.
    Probe,
}

impl Connection {
    /// Returns whether nothing is queued in either direction.
    pub(super) fn is_idle(&self, socket: &Socket<'_>) -> bool {
        socket.recv_queue() == 0 && self.has_sent_all(socket)
    }

    /// Looks at a connection with a socket.
    pub(super) fn examine(&mut self, socket: &Socket<'_>, now: Instant) -> Finding {
        let was_active = core::mem::replace(&mut self.is_active, false);
        if was_active {
            self.heard_at = now;
        }
        let state = socket.state();
        if self.is_orphan && socket.recv_queue() > 0 {
            return Finding::Unread;
        }
        let unacknowledged = self.unacknowledged(socket);
        let has_fin = matches!(state, State::FinWait1 | State::Closing | State::LastAck);
        let is_waiting = socket.send_queue() > 0 || has_fin || (self.is_orphan && state == State::FinWait2);
        if !was_active && state == State::SynSent {
            return Finding::Unanswered;
        }
        let has_progress = was_active && unacknowledged != self.last_unacknowledged;
        if !is_waiting || unacknowledged != self.last_unacknowledged {
            (self.stalled_ticks, self.last_unacknowledged) = (0, unacknowledged);
            return if has_progress {
                Finding::Progress
            } else if was_active || !self.is_idle(socket) {
                Finding::Nothing
            } else {
                Finding::Idle
            };
        }
        self.stalled_ticks += 1;
        // Again if there was no memory.
        if self.stalled_ticks % 8 == 1 && self.is_shrinkable(socket) {
            return Finding::Closing;
        }
        if state == State::FinWait2 {
            return if self.stalled_ticks >= FIN_WAIT_TICKS { Finding::Abandoned } else { Finding::Nothing };
        }
        if self.is_orphan && self.stalled_ticks >= ORPHAN_TICKS {
            // What the peer has received is not taken back by a reset.
            return if socket.send_queue() == 0 { Finding::Abandoned } else { Finding::TimedOut };
        }
        let limit = if self.window == 0 { self.config.zero_window_timeout } else { self.config.peer_timeout * 2 };
        if u64::from(self.stalled_ticks) >= limit.as_secs() {
            return Finding::TimedOut;
        }
        if self.window == 0 && STUCK_TICKS.contains(&self.stalled_ticks) {
            return Finding::Stuck;
        }
        let headers = if self.endpoints.remote.is_ipv4() { 40 } else { 60 };
        let mss = self.options.max_segment_bytes.unwrap_or(super::syn_queue::DEFAULT_SEGMENT_BYTES);
        let longest = socket.send_queue().min(mss.into()) + headers;
        if self.window != 0 && longest > SAFE_PACKET_BYTES && BLACK_HOLE_TICKS.contains(&self.stalled_ticks) {
            return Finding::BlackHole(u16::try_from(longest).unwrap_or(u16::MAX));
        }
        if was_active || self.stalled_ticks < UNANSWERED_TICKS { Finding::Nothing } else { Finding::Unanswered }
    }

    /// Looks at a parked connection. Returns also when to look again.
    pub(super) fn examine_parked(&mut self, now: Instant) -> (Finding, Instant) {
        if self.error.is_some() {
            return (Finding::Nothing, NEVER);
        }
        if let Some(writer) = self.writer.take() {
            // There was no memory for what it writes.
            writer.wake();
        }
        if core::mem::replace(&mut self.is_active, false) {
            (self.heard_at, self.probes) = (now, 0);
        }
        let Some(idle) = self.config.keep_alive else { return (Finding::Nothing, NEVER) };
        let idle = Duration::from_micros(u64::try_from(idle.as_micros()).unwrap_or(u64::MAX / 2));
        let due = self.heard_at + idle + PROBE_INTERVAL * self.probes.into();
        if now < due {
            return (Finding::Nothing, due);
        }
        if self.probes == MAX_PROBES {
            return (Finding::TimedOut, now + TICK);
        }
        self.probes += 1;
        (Finding::Probe, due + PROBE_INTERVAL)
    }
}
