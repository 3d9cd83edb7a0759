//! What is looked at once a second: idle connections are parked, and peers that do not answer are given up. Losses are looked
//! for more often.

use smoltcp::socket::tcp::State;
use smoltcp::time::{Duration, Instant};

use super::connection::RECORD_BYTES;
use super::error::TcpError;
use super::examine::Finding;
use super::time_wait::Finished;
use super::wire::Control;
use crate::stack::engine::Engine;
use crate::stack::socket_table::{NEVER, SocketId};

/// The interval of ticks while a connection is live.
pub(super) const TICK: Duration = Duration::from_secs(1);

impl Engine {
    /// Looks at all connections, if it is time to.
    pub(in crate::stack) fn tick(&mut self, now: Instant) {
        if now < self.tcp.next_tick {
            return;
        }
        self.tcp.next_tick = self.check_losses(now);
        if now < self.tcp.next_second {
            self.tcp.next_tick = self.tcp.next_tick.min(self.tcp.next_second);
            return;
        }
        self.tcp.next_second = NEVER;
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
        let (outgoing, link) = (&mut self.tcp.outgoing, &mut self.link);
        self.tcp.syn_queue.retransmit(now, |control| {
            link.suspect(control.endpoints.remote, now);
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
        self.tcp.next_second = self.tcp.next_second.min(next);
        self.tcp.next_tick = self.tcp.next_tick.min(self.tcp.next_second);
    }

    fn act(&mut self, id: SocketId, finding: Finding, now: Instant) {
        match finding {
            Finding::Nothing => {}
            Finding::Progress | Finding::Unanswered => {
                let Some((connection, _)) = self.sockets.connection(id) else { return };
                let remote = connection.endpoints.remote;
                match finding {
                    Finding::Progress => self.link.confirm(remote, now),
                    _ => self.link.suspect(remote, now),
                }
            }
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
            Finding::Closing => self.shrink(id, now),
            Finding::Stuck => self.retransmit_soon(id, now),
            Finding::BlackHole(bytes) => {
                if let Some((connection, _)) = self.sockets.connection(id) {
                    self.tcp.path_mtu.black_hole(connection.endpoints.remote, bytes.min(self.tcp.mtu), now);
                }
            }
            Finding::Probe => {
                if let Some((connection, _)) = self.sockets.connection(id) {
                    let (probe, probes) = (connection.challenge(None), connection.probes);
                    self.tcp.send(Control { sequence: probe.sequence.wrapping_sub(1), ..probe });
                    if probes > 1 {
                        self.link.suspect(probe.endpoints.remote, now);
                    }
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
