//! What is looked at once a second: idle connections are parked, and peers that do not answer are given up.

use smoltcp::socket::tcp::{Socket, State};
use smoltcp::time::{Duration, Instant};

use super::connection::{Connection, RECORD_BYTES};
use super::error::TcpError;
use super::time_wait::Finished;
use super::wire::Control;
use crate::stack::engine::Engine;
use crate::stack::socket_table::{NEVER, SocketId};

/// The interval of ticks while a connection is live.
const TICK: Duration = Duration::from_secs(1);
/// Ticks after which a closed connection without a stream is forgotten, if the peer does not close its side.
const FIN_WAIT_TICKS: u32 = 20;
/// The interval of keep-alive probes that are not answered, and how many are sent.
const PROBE_INTERVAL: Duration = Duration::from_secs(15);
const MAX_PROBES: u8 = 6;
/// Ticks without an acknowledgement after which long packets may have vanished: two retransmissions, after one second and
/// two more, have done nothing.
const BLACK_HOLE_TICKS: [u32; 3] = [4, 8, 16];
/// Ticks after which a closed window is looked at again: when the retransmission timer, which doubles, has stopped.
const STUCK_TICKS: [u32; 5] = [4, 8, 16, 32, 64];
/// Packets up to this length pass every path (RFC 1191, 7.1 for IPv4; RFC 8200, 5 for IPv6).
const SAFE_PACKET_BYTES: usize = 576;

/// What a tick has found out about a connection.
enum Finding {
    Nothing,
    /// Nothing is queued in either direction, and was not for a while.
    Idle,
    /// The peer is given up.
    TimedOut,
    /// The stream is gone and the peer sends more: it will not be read (RFC 1122, 4.2.2.13).
    Unread,
    /// The stream is gone, and the peer does not close its side.
    Abandoned,
    /// The window was closed with data in flight: smoltcp starts no timer for probes then.
    Stuck,
    /// Segments of this length may not arrive.
    BlackHole(u16),
    /// A keep-alive probe is due.
    Probe,
}

impl Engine {
    /// Looks at all connections, if it is time to.
    pub(in crate::stack) fn tick(&mut self, now: Instant) {
        if now < self.tcp.next_tick {
            return;
        }
        self.tcp.next_tick = NEVER;
        let mut next = NEVER;
        for id in self.sockets.ids() {
            let Some((connection, socket)) = self.sockets.connection(id) else { continue };
            let (finding, at) = match socket {
                Some(socket) => (connection.examine(socket, now), now + TICK),
                None => connection.examine_parked(now),
            };
            next = next.min(at);
            self.act(id, finding, now);
        }
        let outgoing = &mut self.tcp.outgoing;
        self.tcp.syn_queue.retransmit(now, |control| {
            if outgoing.len() < super::MAX_OUTGOING {
                outgoing.push_back(control);
            }
        });
        self.tcp.time_wait.expire(now);
        self.tcp.path_mtu.expire(now);
        for listener in self.tcp.listeners.iter_mut().filter(|listener| listener.has_no_room()) {
            // A connection may have become idle, or ended.
            listener.wake();
        }
        let has_records = !self.tcp.time_wait.is_empty();
        if !self.tcp.syn_queue.is_empty() {
            next = next.min(now + TICK);
        } else if has_records {
            next = next.min(now + TICK * 10);
        }
        self.tcp.next_tick = self.tcp.next_tick.min(next);
    }

    fn act(&mut self, id: SocketId, finding: Finding, now: Instant) {
        match finding {
            Finding::Nothing => {}
            Finding::Idle => self.park(id, now),
            Finding::TimedOut => {
                self.send_reset(id);
                self.finish(id, TcpError::TimedOut);
            }
            Finding::Unread => {
                self.send_reset(id);
                self.finish(id, TcpError::Closed);
            }
            Finding::Abandoned => self.finish(id, TcpError::Closed),
            Finding::Stuck => self.retransmit_soon(id, now),
            Finding::BlackHole(bytes) => {
                if let Some((connection, _)) = self.sockets.connection(id) {
                    self.tcp.path_mtu.black_hole(connection.endpoints.remote, bytes.min(self.tcp.mtu), now);
                }
            }
            Finding::Probe => {
                if let Some((connection, _)) = self.sockets.connection(id) {
                    let probe = connection.challenge(None);
                    self.tcp.send(Control { sequence: probe.sequence.wrapping_sub(1), ..probe });
                }
            }
        }
    }

    /// Takes the socket of an idle connection away.
    pub(super) fn park(&mut self, id: SocketId, now: Instant) {
        let Some((connection, Some(socket))) = self.sockets.connection(id) else { return };
        if !connection.is_idle(socket) {
            return;
        }
        connection.heard_at = now;
        connection.probes = 0;
        // Less than before, so there is room.
        let _ = connection.reservation.resize(RECORD_BYTES);
        // The tasks that wait register again, with the record.
        socket.abort();
        self.sockets.set_parked(id);
    }

    /// Ends a connection at once: streams find the error, and the peer's further segments no connection.
    pub(in crate::stack) fn finish(&mut self, id: SocketId, error: TcpError) {
        let Some((connection, socket)) = self.sockets.connection(id) else { return };
        connection.error.get_or_insert(error);
        connection.wake();
        let is_orphan = connection.is_orphan;
        let listener = connection.listener.filter(|_| !connection.is_accepted && !is_orphan);
        let _ = connection.reservation.resize(RECORD_BYTES);
        if let Some(socket) = socket {
            socket.abort();
        }
        self.sockets.set_parked(id);
        self.sockets.disconnect(id);
        let was_queued = listener.is_some();
        if let Some(listener) = listener.and_then(|listener| self.tcp.listeners.get(listener)) {
            // It was not accepted yet.
            listener.queue.retain(|queued| *queued != id);
        }
        if is_orphan || was_queued {
            self.sockets.remove(id);
        }
    }

    /// Handles a connection whose socket has reached its end: CLOSED or TIME-WAIT. `is_egress` if that happened while it
    /// was polled for packets: then a timeout has closed it.
    #[cold]
    pub(in crate::stack) fn retire(&mut self, id: SocketId, is_egress: bool, now: Instant) {
        let Some((connection, Some(socket))) = self.sockets.connection(id) else { return };
        if socket.state() == State::TimeWait {
            let record = connection.challenge(Some(socket));
            let (send_next, receive_next, window) = (record.sequence, record.acknowledgement, record.window);
            self.tcp.time_wait.insert(connection.endpoints, Finished { send_next, receive_next, window }, now);
            self.tcp.send(record);
            self.tcp.schedule_tick(now);
        } else if is_egress && connection.error.is_none() {
            connection.error = Some(TcpError::TimedOut);
        }
        let is_orphan = connection.is_orphan;
        // What has arrived can still be read.
        self.sockets.disconnect(id);
        if is_orphan {
            self.sockets.remove(id);
        }
    }
}

impl Connection {
    /// Returns whether nothing is queued in either direction.
    pub(super) fn is_idle(&self, socket: &Socket<'_>) -> bool {
        socket.state() == State::Established
            && socket.send_queue() == 0
            && socket.recv_queue() == 0
            && self.unacknowledged(socket) == self.sent_end
    }

    /// Looks at a connection with a socket.
    fn examine(&mut self, socket: &Socket<'_>, now: Instant) -> Finding {
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
        if !is_waiting || unacknowledged != self.last_unacknowledged {
            (self.stalled_ticks, self.last_unacknowledged) = (0, unacknowledged);
            return if was_active || !self.is_idle(socket) { Finding::Nothing } else { Finding::Idle };
        }
        self.stalled_ticks += 1;
        if state == State::FinWait2 {
            return if self.stalled_ticks >= FIN_WAIT_TICKS { Finding::Abandoned } else { Finding::Nothing };
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
        Finding::Nothing
    }

    /// Looks at a parked connection. Returns also when to look again.
    fn examine_parked(&mut self, now: Instant) -> (Finding, Instant) {
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
