//! Segments of connections, before smoltcp sees them: RFC 5961, and what wakes a parked connection.

use core::task::Waker;

use smoltcp::socket::tcp::{Socket, State};
use smoltcp::time::Instant;

use super::acknowledgement_run::{WindowGrowth, may_be_of_run};
use super::adopt::inject;
use super::connection::Connection;
use super::error::TcpError;
use super::new_socket::{CLOSING_BYTES, socket, socket_set};
use super::wire::{ACK, Control, Incoming, RST, SYN, SynOptions, is_before};
use crate::segment::Segment;
use crate::stack::engine::Engine;
use crate::stack::socket_table::SocketId;

impl Engine {
    /// Prepares a segment of a connection for smoltcp. Returns whether smoltcp has to process it.
    #[inline(always)]
    pub(in crate::stack) fn prepare_segment(
        &mut self,
        id: SocketId,
        packet: &mut [u8],
        segment: &Segment,
        now: Instant,
    ) -> bool {
        let Some((connection, socket)) = self.sockets.connection(id) else { return false };
        let Some(header) = packet.get_mut(segment.range.clone()).and_then(|bytes| bytes.first_chunk_mut::<20>()) else {
            return false;
        };
        let flags = header[13];
        if socket.is_none() || flags & (SYN | RST | ACK) != ACK {
            return self.check_segment(id, packet, segment, now);
        }
        connection.window = u16::from_be_bytes([header[14], header[15]]);
        connection.is_active = true;
        let acknowledgement = connection.translate_acknowledgement(header);
        if connection.recovery.is_some() {
            return !self.recover(id, packet, segment, acknowledgement, now);
        }
        if !may_be_of_run(connection, flags, acknowledgement) {
            self.release_acknowledgement(now);
            return true;
        }
        !self.hold_acknowledgement(id, packet, segment, acknowledgement, now)
    }

    /// Checks a segment that is not an ordinary one of a live connection.
    #[cold]
    fn check_segment(&mut self, id: SocketId, packet: &mut [u8], segment: &Segment, now: Instant) -> bool {
        self.release_acknowledgement(now);
        let Some(incoming) = Incoming::parse(packet) else { return false };
        let Some((connection, socket)) = self.sockets.connection(id) else { return false };
        if socket.as_ref().is_some_and(|socket| socket.state() == State::SynSent) {
            return self.check_answer(id, packet, segment, now);
        }
        let expected = connection.receive_next(socket.as_deref());
        let challenge = connection.challenge(socket.as_deref());
        let window = u32::from(challenge.window) << connection.own_scale();
        if incoming.has(RST) {
            // Only the exact number is believed (RFC 5961, 3.2).
            if incoming.sequence == expected {
                self.finish(id, TcpError::Reset);
            } else if incoming.sequence.wrapping_sub(expected) < window {
                self.tcp.challenge(challenge, now);
            }
            return false;
        }
        if incoming.has(SYN) {
            // RFC 5961, 4.2.
            self.tcp.challenge(challenge, now);
            return false;
        }
        if !incoming.has(ACK) || socket.is_some() {
            return false;
        }
        // It is parked: all that was sent is acknowledged.
        if is_before(challenge.sequence, incoming.acknowledgement) {
            // RFC 5961, 5.2.
            self.tcp.challenge(challenge, now);
            return false;
        }
        let offset = incoming.sequence.wrapping_sub(expected);
        let end = incoming.sequence.wrapping_add(incoming.sequence_length());
        if incoming.sequence_length() == 0 && offset == 0 {
            connection.window = incoming.window;
            connection.is_active = true;
            return false;
        }
        let is_in_window = offset < window || is_before(incoming.sequence, expected);
        if incoming.sequence_length() == 0 || !is_in_window || !is_before(expected, end) {
            // A probe, or a segment whose acknowledgement was lost.
            connection.is_active = true;
            self.tcp.challenge(challenge, now);
            return false;
        }
        connection.window = incoming.window;
        if !self.adopt(id, now) {
            return false;
        }
        let Some((connection, _)) = self.sockets.connection(id) else { return false };
        let header = packet.get_mut(segment.range.clone()).and_then(|bytes| bytes.first_chunk_mut::<20>());
        header.map(|header| connection.translate_acknowledgement(header)).is_some()
    }

    /// Checks the answer to a SYN of this side.
    fn check_answer(&mut self, id: SocketId, packet: &mut [u8], segment: &Segment, now: Instant) -> bool {
        let Some(incoming) = Incoming::parse(packet) else { return false };
        let Some((connection, _)) = self.sockets.connection(id) else { return false };
        let is_acknowledged = incoming.has(ACK) && incoming.acknowledgement == connection.send_base;
        if incoming.has(RST) {
            if is_acknowledged {
                self.finish(id, TcpError::Refused);
            }
            return false;
        }
        if incoming.has(SYN) {
            connection.options = incoming.syn_options();
            connection.receive_base = incoming.sequence.wrapping_add(1);
            connection.window = incoming.window;
            let began = connection.heard_at.total_micros();
            connection.handshake_us = u32::try_from(now.total_micros().saturating_sub(began)).unwrap_or_default();
            connection.heard_at = now;
        }
        let header = packet.get_mut(segment.range.clone()).and_then(|bytes| bytes.first_chunk_mut::<20>());
        header.map(|header| connection.translate_acknowledgement(header)).is_some()
    }

    /// Gives a parked connection a socket. Returns whether there was memory for it.
    pub(in crate::stack) fn adopt(&mut self, id: SocketId, now: Instant) -> bool {
        let Some((connection, None)) = self.sockets.connection(id) else { return true };
        let (receive_bytes, config) = (connection.receive_bytes, connection.config.clone());
        let is_adopted = self.adopt_with(id, receive_bytes, config.transmit_bytes, now);
        is_adopted
            || receive_bytes > config.receive_bytes
                && self.adopt_with(id, config.receive_bytes, config.transmit_bytes, now)
    }

    /// Gives a parked connection a socket that is only to close it.
    pub(super) fn adopt_to_close(&mut self, id: SocketId, now: Instant) -> bool {
        let Some((_, None)) = self.sockets.connection(id) else { return true };
        self.adopt_with(id, CLOSING_BYTES, CLOSING_BYTES, now)
    }

    pub(super) fn adopt_with(&mut self, id: SocketId, receive: usize, transmit: usize, now: Instant) -> bool {
        let bytes = Connection::live_bytes(receive, transmit);
        if self.sockets.connection(id).is_some_and(|(connection, _)| connection.reservation.resize(bytes).is_err()) {
            // Idle connections have buffers that they do not use, and closed ones are needed least.
            if !self.end_oldest_orphan() {
                self.park_oldest(now);
            }
        }
        let Some((connection, None)) = self.sockets.connection(id) else { return false };
        if connection.error.is_some() || connection.reservation.resize(bytes).is_err() {
            return false;
        }
        let is_adopted = self.try_adopt(id, receive, transmit, now);
        if !is_adopted && let Some((connection, None)) = self.sockets.connection(id) {
            // Less than before, so there is room.
            let _ = connection.reservation.resize(super::connection::RECORD_BYTES);
        }
        is_adopted
    }

    fn try_adopt(&mut self, id: SocketId, receive: usize, transmit: usize, now: Instant) -> bool {
        let Some((connection, None)) = self.sockets.connection(id) else { return false };
        let max_segment_bytes = self.tcp.max_segment_bytes(connection.endpoints.remote, now);
        let mut template = connection.template(max_segment_bytes);
        let (remote, offered) = (template.endpoints.remote, template.options.max_segment_bytes);
        template.options.max_segment_bytes = self.large_segment_bytes(remote, offered);
        let Some((connection, None)) = self.sockets.connection(id) else { return false };
        let Some((mut socket, mut set)) = socket(connection, receive, transmit).zip(socket_set()) else { return false };
        if socket.listen(template.endpoints.local_port).is_err() {
            return false;
        }
        let handle = set.add(socket);
        let Some(delta) = template.establish(&mut self.interface, &mut set, now) else {
            // The interface has lost the address.
            self.finish(id, TcpError::Unreachable);
            return false;
        };
        let socket = set.get_mut::<Socket<'_>>(handle);
        if socket.state() != State::Established {
            return false;
        }
        if let Some((connection, None)) = self.sockets.connection(id) {
            connection.delta = delta;
            connection.growth = WindowGrowth::new(connection.retransmissions);
            connection.stalled_ticks = 0;
            connection.last_unacknowledged = connection.sent_end;
            connection.is_active = true;
            connection.reader.take().inspect(|waker| socket.register_recv_waker(waker));
            connection.writer.take().inspect(Waker::wake_by_ref);
        }
        self.sockets.set_live(id, set, handle);
        self.tcp.schedule_tick(now);
        true
    }

    /// Has the lowest segment that is not acknowledged sent again at once, by what brings about a fast retransmission: three
    /// duplicate acknowledgements (RFC 5681, 3.2).
    pub(super) fn retransmit_soon(&mut self, id: SocketId, now: Instant) {
        let Some((connection, Some(socket))) = self.sockets.connection(id) else { return };
        let acknowledgement = connection.unacknowledged(socket).wrapping_sub(connection.delta);
        let duplicate = Control {
            endpoints: connection.endpoints,
            sequence: connection.receive_next(Some(socket)),
            acknowledgement,
            flags: ACK,
            window: connection.window,
            options: SynOptions::default(),
        };
        let Some(entry) = self.sockets.entry(id) else { return };
        // smoltcp counts duplicates up to three once, until a segment is none: one with another window.
        let update = Control { window: duplicate.window.saturating_sub(1), ..duplicate };
        for control in [&update, &duplicate, &duplicate, &duplicate, &duplicate] {
            inject(control, &mut self.interface, &mut entry.set, now);
        }
        self.sockets.queue(id);
    }

    /// Queues a reset of a connection.
    pub(super) fn send_reset(&mut self, id: SocketId) {
        let Some((connection, socket)) = self.sockets.connection(id) else { return };
        let acknowledgement = connection.receive_next(socket.as_deref());
        let (endpoints, sequence) = (connection.endpoints, connection.sent_end);
        let flags = RST | ACK;
        let options = SynOptions::default();
        self.tcp.send(Control { endpoints, sequence, acknowledgement, flags, window: 0, options });
    }
}
