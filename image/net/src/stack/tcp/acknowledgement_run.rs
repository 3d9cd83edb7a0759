//! Runs of acknowledgements: of those of a long transfer that arrive together, smoltcp processes only the last.
//!
//! A peer acknowledges each segment or every other one, and a card passes on many at once. An acknowledgement is cumulative
//! (RFC 9293, 3.4), so the last one of a run has all that those before it have. Two things are counted by segment, and are
//! kept: duplicate acknowledgements (RFC 5681, 3.2) are in no run, and there is none while the growth
//! of the congestion window with each acknowledgement (RFC 5681, 3.1) matters.

use smoltcp::socket::tcp::{Socket, State};
use smoltcp::time::Instant;

use super::adopt::inject_packet;
use super::connection::Connection;
use super::syn_queue::DEFAULT_SEGMENT_BYTES;
use super::wire::{ACK, is_before};
use crate::segment::Segment;
use crate::stack::engine::Engine;
use crate::stack::socket_table::{Entry, SocketId};

/// Bytes of the longest acknowledgement in a run: over IPv6, without options.
const MAX_PACKET_BYTES: usize = 60;
/// Bytes that are in flight behind an acknowledgement of a run: a response that is acknowledged as a whole has none.
const MIN_IN_FLIGHT: u32 = 4096;
/// smoltcp's congestion window of a new socket, and the least limit of its growth.
const INITIAL_WINDOW: u32 = 2048;
const GROWTH_LIMIT: u32 = 64 * 1024;

/// How far the congestion window of a smoltcp socket has grown at least: in slow start, until something is sent again.
#[derive(Debug, Clone, Copy)]
pub(super) struct WindowGrowth {
    bytes: u32,
    /// What the connection had sent again when the socket was new. More, and the window was made smaller.
    retransmissions: u32,
}

impl WindowGrowth {
    /// Returns that of a new socket.
    pub(super) const fn new(retransmissions: u32) -> Self {
        Self { bytes: INITIAL_WINDOW, retransmissions }
    }
}

/// The last acknowledgement of a run, which smoltcp has not processed.
#[derive(Debug)]
pub(in crate::stack) struct Held {
    id: SocketId,
    /// The acknowledgement number and the end of the window, as on the wire.
    acknowledgement: u32,
    window_end: u32,
    /// As smoltcp receives it.
    packet: [u8; MAX_PACKET_BYTES],
    packet_bytes: usize,
}

/// Returns whether a segment may be one of a run: it has the flag ACK alone, and much is in flight behind it.
#[inline]
pub(super) fn may_be_of_run(connection: &Connection, flags: u8, acknowledgement: u32) -> bool {
    flags == ACK && is_before(acknowledgement.wrapping_add(MIN_IN_FLIGHT), connection.sent_end)
}

impl Engine {
    /// Holds an acknowledgement of a connection until a later one takes its place, or the poll has received all that there is.
    /// `packet` is as smoltcp receives it, `acknowledgement` as on the wire. Returns whether it is held; otherwise, smoltcp has
    /// processed what was held before.
    #[inline(never)]
    pub(super) fn hold_acknowledgement(
        &mut self,
        id: SocketId,
        packet: &[u8],
        segment: &Segment,
        acknowledgement: u32,
        now: Instant,
    ) -> bool {
        if self.held.as_ref().is_some_and(|held| held.id != id) {
            self.release_acknowledgement(now);
        }
        let held = self.next_of_run(id, packet, segment, acknowledgement);
        if held.is_none() {
            self.release_acknowledgement(now);
            return false;
        }
        self.held = held;
        true
    }

    fn next_of_run(&mut self, id: SocketId, packet: &[u8], segment: &Segment, acknowledgement: u32) -> Option<Held> {
        let (connection, socket) = self.sockets.connection(id)?;
        let socket = socket?;
        // Without options, and without data.
        let header = packet.get(segment.range.clone())?.as_array::<20>()?;
        let sequence = u32::from_be_bytes([header[4], header[5], header[6], header[7]]);
        if header[12] >> 4 != 5 || sequence != connection.receive_next(Some(socket)) {
            return None;
        }
        let window = connection.peer_window();
        let window_end = acknowledgement.wrapping_add(window);
        match &self.held {
            Some(held) => {
                let is_later = is_before(held.acknowledgement, acknowledgement);
                if !is_later || is_before(window_end, held.window_end) {
                    return None;
                }
            }
            None => {
                let unacknowledged = connection.unacknowledged(socket);
                let length = acknowledgement.wrapping_sub(unacknowledged);
                if !is_before(unacknowledged, acknowledgement) || connection.grows(socket, window, length) {
                    return None;
                }
            }
        }
        let mut held = Held { id, acknowledgement, window_end, packet: [0; _], packet_bytes: segment.range.end };
        held.packet.get_mut(..segment.range.end)?.copy_from_slice(packet.get(..segment.range.end)?);
        Some(held)
    }

    /// Has smoltcp process the acknowledgement that is held, if there is one.
    #[inline]
    pub(in crate::stack) fn release_acknowledgement(&mut self, now: Instant) {
        if self.held.is_some() {
            self.release_held(now);
        }
    }

    #[inline(never)]
    fn release_held(&mut self, now: Instant) {
        let Some(Held { id, packet, packet_bytes, .. }) = self.held.take() else { return };
        let Some(Entry { set, .. }) = self.sockets.entry(id) else { return };
        inject_packet(&packet[..packet_bytes], &mut self.interface, set, now);
        if !self.sockets.was_passed_segment(id, now) {
            self.reschedule(id, false, now);
        }
    }
}

impl Connection {
    /// Translates the acknowledgement number of a received header for the socket. Returns it as it is on the wire.
    #[inline]
    pub(super) fn translate_acknowledgement(&self, header: &mut [u8; 20]) -> u32 {
        let acknowledgement = u32::from_be_bytes([header[8], header[9], header[10], header[11]]);
        header[8..12].copy_from_slice(&acknowledgement.wrapping_sub(self.delta).to_be_bytes());
        acknowledgement
    }

    /// Returns the peer's window in the last segment, in bytes.
    fn peer_window(&self) -> u32 {
        u32::from(self.window) << self.options.window_scale.unwrap_or_default()
    }

    /// Returns whether the growth of the congestion window may matter; then, an acknowledgement of `length` bytes, which smoltcp
    /// processes, is added to it.
    fn grows(&mut self, socket: &Socket<'_>, window: u32, length: u32) -> bool {
        if socket.state() != State::Established || self.growth.retransmissions != self.retransmissions {
            return true;
        }
        let limit = u32::try_from(socket.send_capacity()).unwrap_or(u32::MAX).min(window);
        if self.growth.bytes >= limit {
            return false;
        }
        // A segment, or less: no path has shorter ones.
        let max_segment_bytes = self.options.max_segment_bytes.unwrap_or(u16::MAX).min(DEFAULT_SEGMENT_BYTES);
        let bytes = self.growth.bytes.saturating_add(length.min(max_segment_bytes.into()));
        self.growth.bytes = bytes.min(GROWTH_LIMIT.max(window));
        true
    }
}
