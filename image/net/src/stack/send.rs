//! What a poll of the stack sends: the segments of the TCP wrapper, datagrams, and what queued TCP sockets have.

use smoltcp::iface::PollResult;
use smoltcp::time::Instant;

use super::device::EgressDevice;
use super::engine::Engine;
use super::socket_table::{Entry, SocketId};
use super::tcp::{self, MAX_CONTROL_BYTES};
use super::udp::datagram;
use crate::link::FrameSender;

/// Sockets that are polled for packets in one poll of the stack. More would delay other tasks: a card that sends each
/// frame at once always has room.
const SEND_BUDGET: usize = 256;

impl Engine {
    /// Updates a socket's deadline after its state may have changed. `is_egress` if it was polled for packets.
    pub(super) fn reschedule(&mut self, socket: SocketId, is_egress: bool, now: Instant) {
        let Some(entry) = self.sockets.entry(socket) else { return };
        let at = self.interface.poll_at(now, &entry.set);
        if entry.has_ended() {
            return self.retire(socket, is_egress, now);
        }
        self.sockets.set_deadline(socket, at, now);
    }

    /// Sends what is due while the card has room; `is_due` as in [`end_due`](Self::end_due). Returns whether a budget ended
    /// before the queue.
    #[inline]
    pub(super) fn send(&mut self, sender: &mut FrameSender<'_, '_>, is_due: bool, now: Instant) -> bool {
        if self.tcp.has_outgoing() {
            self.send_controls(sender, now);
        }
        let mut has_more = false;
        if self.datagrams.has_queued() {
            has_more = self.send_datagrams(sender, now);
        }
        if self.sockets.has_queued() {
            has_more |= self.send_sockets(sender, now);
        }
        if self.tcp.has_outgoing() {
            self.send_controls(sender, now);
        }
        self.end_due(sender, is_due, now);
        // An error may have queued a socket.
        has_more || (self.sockets.has_queued() && !sender.is_full)
    }

    /// Sends the segments of the TCP wrapper.
    #[cold]
    fn send_controls(&mut self, sender: &mut FrameSender<'_, '_>, now: Instant) {
        while self.tcp.has_outgoing() && sender.has_room() {
            let Some(control) = self.tcp.next_outgoing() else { return };
            let mut packet = [0; MAX_CONTROL_BYTES];
            let packet = &mut packet[..control.packet_bytes()];
            control.write(packet);
            if control.endpoints.remote.is_ipv6() {
                tcp::set_hop_limit(packet, self.link.ipv6.hop_limit());
            }
            self.link.egress(packet, sender, now);
        }
    }

    /// Sends the datagrams of queued UDP sockets while the card has room. Returns whether the budget ended before.
    #[inline(never)]
    fn send_datagrams(&mut self, sender: &mut FrameSender<'_, '_>, now: Instant) -> bool {
        let mut budget = SEND_BUDGET;
        while let Some(socket) = self.datagrams.next_queued() {
            let Some(entry) = self.datagrams.get(socket) else { continue };
            while budget > 0 && !entry.to_send.is_empty() && sender.has_room() {
                let from = (entry.port, entry.multicast_hops);
                if let Ok((destination, payload)) = entry.to_send.dequeue() {
                    datagram::send(&mut self.link, from, destination, payload, sender, now);
                }
                budget -= 1;
            }
            if let Some(waker) = entry.send_waker.take() {
                waker.wake();
            }
            if !entry.to_send.is_empty() {
                self.datagrams.queue(socket);
                return budget == 0;
            }
        }
        false
    }

    /// Polls queued TCP sockets for segments while the card has room. Returns whether the budget ended before.
    #[inline(never)]
    fn send_sockets(&mut self, sender: &mut FrameSender<'_, '_>, now: Instant) -> bool {
        for _ in 0..SEND_BUDGET {
            let Some(socket) = self.sockets.next_queued() else { return false };
            let Some(entry) = self.sockets.entry(socket) else { continue };
            let remote = entry.remote_address();
            let next_hop = remote.and_then(|remote| self.link.resolve_ip(remote, now));
            let max_bytes = self.tcp.max_packet_bytes(remote, now);
            let Entry { set, connection, .. } = entry;
            let is_split_by_card = self.max_large_packet > 0;
            let max_bytes = match connection {
                Some(connection) if is_split_by_card => max_bytes.min(self.mtu).min(connection.max_packet_bytes()),
                _ => max_bytes,
            };
            let mut egress = EgressDevice {
                sender,
                link: &mut self.link,
                next_hop,
                connection: connection.as_mut(),
                max_bytes,
                is_split_by_card,
                scratch: &mut self.tcp.scratch,
                software_checksums: self.software_checksums,
                now,
            };
            let result = self.interface.poll_egress(now, &mut egress, set);
            if sender.is_full {
                // The card wakes the task when there is room.
                self.sockets.queue(socket);
                return false;
            }
            let has_sent = result == PollResult::SocketStateChanged;
            if !(has_sent && self.sockets.has_sent_last(socket, now)) {
                self.reschedule(socket, true, now);
            }
        }
        true
    }
}
