//! One stream: its buffers and its credit (virtio 1.2, 5.10.6.3 to 5.10.6.6).

use alloc::collections::VecDeque;

use atomic_waker::AtomicWaker;

use super::packet::{Header, NO_RECEIVE, NO_SEND, Operation};

/// The bytes of the buffer for receiving, which is reported to the peer, and of the buffer for sending.
pub(super) const BUFFER_BYTES: usize = 16 << 10;
/// A credit update is sent when the user has taken this many bytes since the last.
const UPDATE_BYTES: u32 = 4 << 10;

/// How far a stream has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    /// A request is to be sent, or was sent.
    Connecting,
    Connected,
    /// No more in either direction: the peer has refused or reset it, or both sides have shut it down.
    Closed {
        was_refused: bool,
    },
}

/// A stream.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) progress: Progress,
    pub(super) received: VecDeque<u8>,
    pub(super) to_send: VecDeque<u8>,
    /// Bytes that the user has taken, modulo 2^32, and the value that was reported last.
    taken: u32,
    reported: u32,
    /// Bytes that were sent, modulo 2^32.
    sent_count: u32,
    peer_buffer_bytes: u32,
    peer_taken: u32,
    /// What the peer has shut down, as flags from its point of view.
    pub(super) peer_shutdown: u32,
    /// What the user has shut down, and what of it was reported.
    pub(super) shutdown: u32,
    pub(super) reported_shutdown: u32,
    /// An operation without data that is to be sent.
    pub(super) pending: Option<Operation>,
    /// Whether the user has dropped the stream.
    pub(super) is_dropped: bool,
    pub(super) reader: AtomicWaker,
    pub(super) writer: AtomicWaker,
}

impl Connection {
    pub(super) fn new(progress: Progress, pending: Operation) -> Self {
        Self {
            progress,
            received: VecDeque::new(),
            to_send: VecDeque::new(),
            taken: 0,
            reported: 0,
            sent_count: 0,
            peer_buffer_bytes: 0,
            peer_taken: 0,
            peer_shutdown: 0,
            shutdown: 0,
            reported_shutdown: 0,
            pending: Some(pending),
            is_dropped: false,
            reader: AtomicWaker::new(),
            writer: AtomicWaker::new(),
        }
    }

    pub(super) fn wake(&self) {
        self.reader.wake();
        self.writer.wake();
    }

    /// Notes what the peer can take.
    pub(super) fn note_credit(&mut self, header: &Header) {
        (self.peer_buffer_bytes, self.peer_taken) = (header.buffer_bytes, header.taken);
        self.writer.wake();
    }

    /// Returns how many bytes may be sent. A peer that reports to have taken more than was sent gets none.
    pub(super) fn credit(&self) -> usize {
        let in_flight = self.sent_count.wrapping_sub(self.peer_taken);
        self.peer_buffer_bytes.saturating_sub(in_flight) as usize
    }

    /// Takes bytes of the peer; `false` when it has sent more than its credit.
    pub(super) fn receive(&mut self, bytes: &[u8]) -> bool {
        let has_room = self.received.len() + bytes.len() <= BUFFER_BYTES;
        if has_room {
            self.received.extend(bytes);
            self.reader.wake();
        }
        has_room
    }

    /// Returns bytes to the user; the peer gets an update when there is much more room.
    pub(super) fn take(&mut self, bytes: &mut [u8]) -> usize {
        let count = bytes.len().min(self.received.len());
        for (place, byte) in bytes.iter_mut().zip(self.received.drain(..count)) {
            *place = byte;
        }
        self.taken = self.taken.wrapping_add(u32::try_from(count).unwrap_or_default());
        count
    }

    /// Returns the next operation that is to be sent, and how many bytes of data go with it; `None` for none.
    pub(super) fn next_operation(&mut self, max_bytes: usize) -> Option<(Operation, usize)> {
        if let Some(operation) = self.pending.take() {
            return Some((operation, 0));
        }
        if self.progress != Progress::Connected {
            return None;
        }
        let count = self.to_send.len().min(self.credit()).min(max_bytes);
        if count > 0 && self.peer_shutdown & NO_RECEIVE == 0 {
            self.sent_count = self.sent_count.wrapping_add(u32::try_from(count).unwrap_or_default());
            self.writer.wake();
            return Some((Operation::Data, count));
        }
        // The end of the stream is behind all of its bytes.
        let is_sent = self.to_send.is_empty() || self.peer_shutdown & NO_RECEIVE != 0;
        let due = if is_sent { self.shutdown } else { self.shutdown & !NO_SEND };
        if due & !self.reported_shutdown != 0 {
            self.reported_shutdown |= due;
            return Some((Operation::Shutdown, 0));
        }
        (self.taken.wrapping_sub(self.reported) >= UPDATE_BYTES).then_some((Operation::CreditUpdate, 0))
    }

    /// Returns the size of the buffer and the bytes taken, for a header.
    pub(super) fn report_credit(&mut self) -> (u32, u32) {
        self.reported = self.taken;
        (u32::try_from(BUFFER_BYTES).unwrap_or_default(), self.taken)
    }
}
