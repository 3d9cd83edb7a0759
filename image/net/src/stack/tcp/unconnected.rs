//! Segments that belong to no connection: handshakes, TIME-WAIT, and what is reset (RFC 9293, 3.10.7.1, 3.10.7.2).

use smoltcp::time::Instant;

use super::adopt::Template;
use super::connection::{Connection, RECORD_BYTES};
use super::syn_queue::{Acknowledged, Handshake, Offer};
use super::time_wait::Verdict;
use super::wire::{ACK, Control, FIN, Incoming, RST, SYN, SynOptions};
use crate::stack::engine::Engine;
use crate::stack::socket_table::SocketId;

impl Engine {
    /// Handles a segment of no connection. Returns the connection if it has opened one: then the segment's data and FIN are
    /// for it.
    pub(in crate::stack) fn receive_unconnected(&mut self, packet: &[u8], now: Instant) -> Option<SocketId> {
        let segment = Incoming::parse(packet)?;
        let mut after = None;
        match self.tcp.time_wait.receive(&segment, now) {
            Verdict::Unknown => {}
            Verdict::OpenAnew(lowest) => after = Some(lowest),
            Verdict::Answer(answer) => {
                self.tcp.challenge(answer, now);
                return None;
            }
            Verdict::Drop => return None,
        }
        if segment.has(RST) {
            // A reset of a handshake has exactly the expected number (RFC 5961, 3.2).
            if self.tcp.syn_queue.receive_next(&segment.endpoints) == Some(segment.sequence) {
                self.tcp.syn_queue.remove(&segment.endpoints);
            }
            return None;
        }
        match segment.flags & (SYN | ACK) {
            SYN => self.receive_syn(&segment, after, now),
            ACK => return self.receive_ack(&segment, now),
            // Without an acknowledgement, only a SYN is for a listener.
            0 if self.tcp.listeners.with_port(segment.endpoints.local_port).is_some() => {}
            _ => self.reset(&segment, now),
        }
        None
    }

    fn receive_syn(&mut self, segment: &Incoming<'_>, after: Option<u32>, now: Instant) {
        // No host opens and closes at once.
        if segment.has(FIN) {
            return;
        }
        let endpoints = &segment.endpoints;
        let max_segment_bytes = self.tcp.max_segment_bytes(endpoints.remote, now);
        let Some(listener) = self.tcp.listeners.with_port(endpoints.local_port) else {
            return self.reset(segment, now);
        };
        let (id, is_full) = (listener.id, listener.is_full());
        // The peer repeats it, unless another one has most of the backlog.
        if is_full && self.greedy_waiting(id).is_none_or(|(_, greedy)| greedy == endpoints.remote) {
            return;
        }
        let Some(listener) = self.tcp.listeners.get(id) else { return };
        let config = &listener.config;
        let (window, window_scale) = (config.syn_window(), config.window_scale());
        let offer = Offer { max_segment_bytes, window, window_scale };
        let answer = self.tcp.syn_queue.synchronize(segment, offer, after, &self.tcp.secret, now);
        self.tcp.send(answer);
        self.tcp.schedule_tick(now);
    }

    fn receive_ack(&mut self, segment: &Incoming<'_>, now: Instant) -> Option<SocketId> {
        match self.tcp.syn_queue.acknowledge(segment, &self.tcp.secret, now) {
            Acknowledged::Handshake(handshake) => self.open_passively(segment, handshake, now),
            Acknowledged::Unacceptable | Acknowledged::Unknown => {
                self.reset(segment, now);
                None
            }
        }
    }

    /// Creates a parked connection from a completed handshake. Without room, the segment is dropped: the handshake stays, and
    /// the peer's next segment completes it.
    fn open_passively(&mut self, segment: &Incoming<'_>, handshake: Handshake, now: Instant) -> Option<SocketId> {
        let endpoints = segment.endpoints;
        let Some(listener) = self.tcp.listeners.with_port(endpoints.local_port) else {
            self.tcp.syn_queue.remove(&endpoints);
            self.reset(segment, now);
            return None;
        };
        let (id, config) = (listener.id, listener.config.clone());
        let (is_full, has_memory) = (listener.is_full(), listener.queue.try_reserve(1).is_ok());
        if !has_memory || self.has_backlog_share(id, endpoints.remote) {
            return None;
        }
        if is_full && !self.displace(id, endpoints.remote) {
            return None;
        }
        // Half of the budget is for buffers, so that those that are open can be served.
        if self.sockets.len() * RECORD_BYTES > self.tcp.budget.usage().limit_bytes / 2 && !self.end_oldest_orphan() {
            return None;
        }
        let reservation = self.tcp.budget.reserve(RECORD_BYTES).ok()?;
        let template = Template {
            endpoints,
            send_next: handshake.send_next,
            receive_next: handshake.receive_next,
            window: segment.window,
            options: handshake.options,
        };
        let mut connection = Connection::new(&template, config, reservation, now);
        connection.listener = Some(id);
        connection.handshake_us = handshake.begun_at.map_or(0, |begun_at| {
            u32::try_from(now.total_micros().saturating_sub(begun_at.total_micros())).unwrap_or_default()
        });
        let socket = self.sockets.add_connection(connection)?;
        self.tcp.syn_queue.remove(&endpoints);
        // The answer to its SYN has arrived.
        self.link.confirm(endpoints.remote, now);
        self.tcp.schedule_tick(now);
        if let Some(listener) = self.tcp.listeners.get(id) {
            listener.queue.push_back(socket);
            listener.wake();
        }
        Some(socket)
    }

    /// Answers a segment of no connection by a reset (RFC 9293, 3.10.7.1), within a rate.
    fn reset(&mut self, segment: &Incoming<'_>, now: Instant) {
        if segment.has(RST) || !self.tcp.resets.take(now) {
            return;
        }
        let (sequence, acknowledgement, flags) = match segment.has(ACK) {
            true => (segment.acknowledgement, 0, RST),
            false => (0, segment.sequence.wrapping_add(segment.sequence_length()), RST | ACK),
        };
        let options = SynOptions::default();
        self.tcp.send(Control { endpoints: segment.endpoints, sequence, acknowledgement, flags, window: 0, options });
    }
}
