//! Received frames that may be in several buffers, with checksums that the device leaves to the driver (virtio 1.2, 5.1.6.4).

use super::{ReceiveBuffer, Receiver};
use crate::virtio::net::HEADER_BYTES;
use crate::virtio::net::merge::{HEADROOM, Rest, complete_checksum};

/// Flags of the header of a received frame (5.1.6): its checksum is left to the driver, or was verified.
const NEEDS_CSUM: u8 = 1;
const DATA_VALID: u8 = 2;
/// The offset of the checksum in a TCP header.
const TCP_CHECKSUM: u16 = 16;

impl Receiver {
    /// Makes a buffer that may be a part of a merged frame a frame of its own.
    #[inline(never)]
    pub(super) fn next_of_merged(&mut self, mut buffer: ReceiveBuffer, end: usize) -> Option<(ReceiveBuffer, usize)> {
        let begin = if self.unusable_buffers > 0 {
            self.unusable_buffers -= 1;
            None
        } else if let Some(rest) = self.rest.as_mut().filter(|_| end > HEADROOM) {
            let begin = rest.add(&mut buffer.0[..end], HEADROOM);
            if rest.buffers == 0 {
                self.rest = None;
            }
            Some(begin)
        } else {
            self.unusable_buffers = self.rest.take().map_or(0, |rest| rest.buffers.saturating_sub(1));
            self.first_of_merged(&mut buffer.0[..end])
        };
        let Some(begin) = begin else {
            self.counters.dropped.add(1);
            self.resubmit(buffer);
            return None;
        };
        self.frame_start = begin;
        self.counters.received.add(1);
        Some((buffer, end))
    }

    /// Handles the header of a frame (5.1.6.4). Returns where the frame begins.
    fn first_of_merged(&mut self, buffer: &mut [u8]) -> Option<usize> {
        let begin = HEADROOM + HEADER_BYTES;
        if buffer.len() <= begin {
            return None;
        }
        let (header, frame) = buffer[HEADROOM..].split_at_mut(HEADER_BYTES);
        let word = |at: usize| u16::from_le_bytes([header[at], header[at + 1]]);
        let (flags, start, offset, buffers) = (header[0], word(6), word(8), word(10));
        let needs_checksum = flags & NEEDS_CSUM != 0;
        self.is_verified = flags & DATA_VALID != 0 || (needs_checksum && offset == TCP_CHECKSUM);
        if needs_checksum && !self.is_verified {
            complete_checksum(frame, start.into(), offset.into());
        }
        if buffers > 1 {
            self.rest = Rest::of_first(frame, buffers - 1);
            if self.rest.is_none() {
                self.unusable_buffers = buffers - 1;
                return None;
            }
        }
        Some(begin)
    }
}
