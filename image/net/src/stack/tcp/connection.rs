//! What the wrapper stores of a connection, beside smoltcp's socket.

use alloc::rc::Rc;
use core::task::Waker;

use smoltcp::socket::tcp::{Socket, State};
use smoltcp::time::Instant;
use switchboard_runtime::memory_budget::Reservation;

use super::acknowledgement_run::WindowGrowth;
use super::adopt::Template;
use super::config::TcpConfig;
use super::error::TcpError;
use super::listener::ListenerId;
use super::loss::LossTimer;
use super::wire::{ACK, Control, Endpoints, SynOptions};

/// Bytes that are reserved for a connection without buffers: this record, its places in tables, and a task that waits, each
/// with what the allocator adds.
pub(super) const RECORD_BYTES: usize = 2 * 1024;
/// Bytes that are reserved for smoltcp's socket, beside its buffers, and for what a task allocates to answer a request.
pub(super) const SOCKET_BYTES: usize = 4 * 1024;

/// A TCP connection. While it is parked, there is no smoltcp socket.
///
/// Sequence numbers are those on the wire.
#[derive(Debug)]
pub(in crate::stack) struct Connection {
    /// The difference between sequence numbers on the wire and those of the socket.
    pub(in crate::stack) delta: u32,
    /// The peer's window in the last segment, as it was in the header.
    pub(in crate::stack) window: u16,
    /// Whether a segment has arrived or a call was made since the last tick.
    pub(in crate::stack) is_active: bool,
    /// Whether the stream was dropped: the connection ends by itself.
    pub(super) is_orphan: bool,
    /// Whether it was closed to make room for others.
    pub(super) is_evicted: bool,
    /// The end of the highest sequence number that was sent.
    pub(in crate::stack) sent_end: u32,
    /// The end of the last segment that was sent, which may be one that was sent again.
    pub(in crate::stack) last_end: u32,
    /// Bytes that the stream has written.
    pub(super) written: u64,
    /// Bytes that the stream has read.
    pub(super) read: u64,
    /// A number that rises each time when a connection becomes idle; 0 while it is not idle.
    pub(super) idle_since: u64,
    /// The sequence number of the first byte that is written.
    pub(super) send_base: u32,
    /// That of the first byte that is read.
    pub(super) receive_base: u32,
    /// Segments that were sent again.
    pub(in crate::stack) retransmissions: u32,
    /// Of the socket.
    pub(super) growth: WindowGrowth,
    pub(in crate::stack) endpoints: Endpoints,
    /// The options of the peer's SYN.
    pub(super) options: SynOptions,
    pub(super) loss: LossTimer,
    /// The end of what was in flight when something was last sent again, until all of it is acknowledged.
    pub(super) recovery: Option<u32>,
    /// Losses that acknowledgements have shown meanwhile.
    pub(super) partial_acknowledgements: u8,
    /// Ticks without an acknowledgement of what is in flight.
    pub(super) stalled_ticks: u32,
    /// The lowest sequence number that was not acknowledged at the last tick.
    pub(super) last_unacknowledged: u32,
    /// Keep-alive probes that were not answered.
    pub(super) probes: u8,
    /// When the handshake was completed.
    pub(super) opened_at: Instant,
    /// When a segment of the peer arrived, as of the last tick.
    pub(super) heard_at: Instant,
    /// How long the handshake took, in microseconds; 0 if it is not known.
    pub(super) handshake_us: u32,
    /// Why the connection has ended.
    pub(super) error: Option<TcpError>,
    /// The tasks that wait while it is parked.
    pub(super) reader: Option<Waker>,
    pub(super) writer: Option<Waker>,
    pub(super) listener: Option<ListenerId>,
    /// Whether a stream has it: then it counts as one of its listener's.
    pub(super) is_accepted: bool,
    pub(super) config: Rc<TcpConfig>,
    /// The size of the receive buffer, which may have been enlarged: a window that was offered is not taken back.
    pub(super) receive_bytes: usize,
    pub(super) reservation: Reservation,
}

impl Connection {
    /// Creates the record of a connection whose handshake is complete.
    pub(super) fn new(template: &Template, config: Rc<TcpConfig>, reservation: Reservation, now: Instant) -> Self {
        Self {
            delta: 0,
            window: template.window,
            is_active: true,
            is_orphan: false,
            is_evicted: false,
            sent_end: template.send_next,
            last_end: template.send_next,
            written: 0,
            read: 0,
            idle_since: 0,
            send_base: template.send_next,
            receive_base: template.receive_next,
            retransmissions: 0,
            growth: WindowGrowth::new(0),
            endpoints: template.endpoints,
            options: template.options,
            loss: LossTimer::new(),
            recovery: None,
            partial_acknowledgements: 0,
            stalled_ticks: 0,
            last_unacknowledged: template.send_next,
            probes: 0,
            opened_at: now,
            heard_at: now,
            handshake_us: 0,
            error: None,
            reader: None,
            writer: None,
            listener: None,
            is_accepted: false,
            receive_bytes: config.receive_bytes,
            config,
            reservation,
        }
    }

    /// Returns the next sequence number to receive (RCV.NXT). `socket` is `None` while parked.
    pub(super) fn receive_next(&self, socket: Option<&Socket<'_>>) -> u32 {
        let (queued, fin) = socket.map_or((0, 0), |socket| {
            let has_fin =
                matches!(socket.state(), State::CloseWait | State::LastAck | State::Closing | State::TimeWait);
            (low_half(socket.recv_queue() as u64), u32::from(has_fin))
        });
        self.receive_base.wrapping_add(low_half(self.read)).wrapping_add(queued).wrapping_add(fin)
    }

    /// Returns the lowest sequence number that was not acknowledged (SND.UNA), without a FIN.
    pub(super) fn unacknowledged(&self, socket: &Socket<'_>) -> u32 {
        self.send_base.wrapping_add(low_half(self.written.wrapping_sub(socket.send_queue() as u64)))
    }

    /// Returns whether the last segment that was sent has the last byte that the stream has written.
    #[inline]
    pub(in crate::stack) fn has_sent_last(&self) -> bool {
        self.last_end == self.send_base.wrapping_add(low_half(self.written))
    }

    /// Returns the acknowledgement that answers what is not acceptable (RFC 5961).
    pub(super) fn challenge(&self, socket: Option<&Socket<'_>>) -> Control {
        let free = socket.map_or(self.receive_bytes, |socket| socket.recv_capacity() - socket.recv_queue());
        let window = u16::try_from(free >> self.own_scale()).unwrap_or(u16::MAX);
        Control {
            endpoints: self.endpoints,
            sequence: self.sent_end,
            acknowledgement: self.receive_next(socket),
            flags: ACK,
            window,
            options: SynOptions::default(),
        }
    }

    /// Returns how much this side's windows are scaled.
    pub(super) fn own_scale(&self) -> u8 {
        if self.options.window_scale.is_some() { self.config.window_scale() } else { 0 }
    }

    /// Returns the connection as it is parked, or to be adopted. `max_segment_bytes` is that of the path.
    pub(super) fn template(&self, max_segment_bytes: u16) -> Template {
        let offered = self.options.max_segment_bytes.unwrap_or(super::syn_queue::DEFAULT_SEGMENT_BYTES);
        let options = SynOptions { max_segment_bytes: Some(offered.min(max_segment_bytes)), ..self.options };
        Template {
            endpoints: self.endpoints,
            send_next: self.sent_end,
            receive_next: self.receive_next(None),
            window: self.window,
            options,
        }
    }

    /// Returns the maximum length of a packet that the peer accepts.
    pub(in crate::stack) fn max_packet_bytes(&self) -> usize {
        let headers = if self.endpoints.remote.is_ipv4() { 40 } else { 60 };
        let offered = self.options.max_segment_bytes.unwrap_or(super::syn_queue::DEFAULT_SEGMENT_BYTES);
        usize::from(offered) + headers
    }

    /// Returns the bytes to reserve while there is a socket.
    pub(super) fn live_bytes(receive_bytes: usize, transmit_bytes: usize) -> usize {
        RECORD_BYTES + SOCKET_BYTES + receive_bytes + transmit_bytes
    }

    /// Wakes the tasks that wait while it is parked.
    pub(super) fn wake(&mut self) {
        self.reader.take().into_iter().chain(self.writer.take()).for_each(Waker::wake);
    }
}

const fn low_half(value: u64) -> u32 {
    (value & 0xffff_ffff) as u32
}
