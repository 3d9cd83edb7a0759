//! The buffers of a connection, which are freed when they are empty: an idle connection has none to speak of.

use alloc::vec::Vec;

use switchboard_runtime::memory_budget::{self, Reservation};

/// Bytes of a read that begins a record: most requests fit.
const READ_BYTES: usize = 1024;
/// The header of a record, whose last two bytes are the length of the rest (RFC 8446, 5.1).
const HEADER_BYTES: usize = 5;
/// The longest record, with its header and what encryption adds.
const MAX_RECORD_BYTES: usize = HEADER_BYTES + (1 << 14) + 256;
/// Room that is kept for the next read or write when a buffer is empty.
const KEPT_BYTES: usize = READ_BYTES;

/// The error of a buffer for which there is no memory.
#[derive(Debug)]
pub(crate) struct OutOfMemory;

/// The buffers, with a reservation of the memory budget.
#[derive(Debug)]
pub(crate) struct Buffers {
    /// Bytes of the peer, of which so many are filled.
    incoming: Vec<u8>,
    filled: usize,
    max_incoming: usize,
    /// Records for the peer, of which so many bytes are sent.
    pub(crate) outgoing: Vec<u8>,
    sent: usize,
    /// Decrypted data, of which so many bytes are read.
    plaintext: Vec<u8>,
    read: usize,
    reservation: Reservation,
    /// Bytes that are reserved for the state of the connection itself.
    base_bytes: usize,
}

impl Buffers {
    /// Makes empty buffers, with `base_bytes` reserved for the rest of the connection. Messages of the peer may have
    /// `max_records` of the longest records.
    pub(crate) fn new(base_bytes: usize, max_records: usize) -> Result<Self, OutOfMemory> {
        let reservation = memory_budget::reserve(base_bytes).map_err(|_| OutOfMemory)?;
        Ok(Self {
            incoming: Vec::new(),
            filled: 0,
            max_incoming: max_records * MAX_RECORD_BYTES,
            outgoing: Vec::new(),
            sent: 0,
            plaintext: Vec::new(),
            read: 0,
            reservation,
            base_bytes,
        })
    }

    /// Returns room for bytes of the peer: as much as the record that has begun still needs.
    pub(crate) fn room(&mut self) -> Result<&mut [u8], OutOfMemory> {
        let rest = match self.incoming[..self.filled] {
            [_, _, _, high, low, ..] => {
                let record = HEADER_BYTES + usize::from(u16::from_be_bytes([high, low]));
                record.min(MAX_RECORD_BYTES).saturating_sub(self.filled)
            }
            _ => 0,
        };
        let needed = self.filled + if rest == 0 { READ_BYTES } else { rest };
        if self.incoming.len() < needed {
            if needed > self.max_incoming {
                return Err(OutOfMemory);
            }
            grow(&mut self.incoming, needed)?;
            self.reserve()?;
        }
        Ok(&mut self.incoming[self.filled..])
    }

    /// Counts bytes that were read into the [`room`](Self::room).
    pub(crate) fn add_received(&mut self, count: usize) {
        self.filled = (self.filled + count).min(self.incoming.len());
    }

    /// Returns the bytes of the peer, and where records and decrypted data go.
    pub(crate) fn split(&mut self) -> (&mut [u8], Output<'_>) {
        let output = Output { outgoing: &mut self.outgoing, plaintext: &mut self.plaintext };
        (&mut self.incoming[..self.filled], output)
    }

    /// Removes bytes of the peer that were processed.
    pub(crate) fn discard(&mut self, count: usize) {
        if count == 0 {
            return;
        }
        let count = count.min(self.filled);
        self.incoming.copy_within(count..self.filled, 0);
        self.filled -= count;
        if self.filled == 0 && self.incoming.len() > KEPT_BYTES {
            self.incoming = Vec::new();
            self.shrink();
        }
    }

    /// Returns decrypted data that is not read yet.
    pub(crate) fn unread(&mut self) -> &mut [u8] {
        &mut self.plaintext[self.read..]
    }

    /// Removes decrypted data that was read.
    pub(crate) fn consume(&mut self, count: usize) {
        self.read = (self.read + count).min(self.plaintext.len());
        if self.read == self.plaintext.len() {
            self.read = 0;
            recycle(&mut self.plaintext);
            self.shrink();
        }
    }

    /// Returns the bytes of records that are not sent yet.
    pub(crate) fn unsent(&self) -> &[u8] {
        &self.outgoing[self.sent..]
    }

    /// Counts bytes that were sent.
    pub(crate) fn add_sent(&mut self, count: usize) {
        self.sent = (self.sent + count).min(self.outgoing.len());
        if self.sent == self.outgoing.len() {
            self.sent = 0;
            recycle(&mut self.outgoing);
            self.shrink();
        }
    }

    /// Reserves `base_bytes` for the rest of the connection from now on.
    pub(crate) fn set_base(&mut self, base_bytes: usize) {
        self.base_bytes = base_bytes;
        self.shrink();
    }

    /// Adjusts the reservation to buffers that have grown.
    pub(crate) fn reserve(&mut self) -> Result<(), OutOfMemory> {
        let bytes = self.bytes();
        self.reservation.resize(bytes).map_err(|_| OutOfMemory)
    }

    /// Adjusts the reservation to buffers that were freed, which cannot fail.
    fn shrink(&mut self) {
        let _ = self.reserve();
    }

    fn bytes(&self) -> usize {
        self.base_bytes + self.incoming.capacity() + self.outgoing.capacity() + self.plaintext.capacity()
    }
}

/// Where records for the peer and decrypted data go.
pub(crate) struct Output<'a> {
    outgoing: &'a mut Vec<u8>,
    plaintext: &'a mut Vec<u8>,
}

impl Output<'_> {
    /// Adds decrypted data.
    pub(crate) fn add_plaintext(&mut self, data: &[u8]) -> Result<(), OutOfMemory> {
        self.plaintext.try_reserve(data.len()).map_err(|_| OutOfMemory)?;
        self.plaintext.extend_from_slice(data);
        Ok(())
    }

    /// Adds what `write` writes into so many bytes; it returns the number that it used.
    pub(crate) fn add_record<E: From<OutOfMemory>>(
        &mut self,
        bytes: usize,
        write: impl FnOnce(&mut [u8]) -> Result<usize, E>,
    ) -> Result<(), E> {
        let start = self.outgoing.len();
        grow(self.outgoing, start + bytes)?;
        let written = write(&mut self.outgoing[start..]);
        self.outgoing.truncate(start + *written.as_ref().unwrap_or(&0));
        written.map(|_| ())
    }
}

/// Makes a buffer longer, and no larger than needed.
fn grow(buffer: &mut Vec<u8>, length: usize) -> Result<(), OutOfMemory> {
    if length > buffer.len() {
        buffer.try_reserve_exact(length - buffer.len()).map_err(|_| OutOfMemory)?;
        buffer.resize(length, 0);
    }
    Ok(())
}

/// Empties a buffer, and frees it if it is large.
fn recycle(buffer: &mut Vec<u8>) {
    if buffer.capacity() > KEPT_BYTES {
        *buffer = Vec::new();
    } else {
        buffer.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buffers() -> Buffers {
        Buffers::new(0, 2).expect("a test has memory")
    }

    #[test]
    fn there_is_room_for_the_rest_of_a_record() {
        let mut buffers = buffers();
        let room = buffers.room().unwrap();
        assert_eq!(room.len(), READ_BYTES);
        room[..6].copy_from_slice(&[23, 3, 3, 0x40, 0, 9]);
        buffers.add_received(6);
        assert_eq!(buffers.room().unwrap().len(), (1 << 14) - 1);
        buffers.add_received((1 << 14) - 1);
        buffers.discard(HEADER_BYTES + (1 << 14));
        assert_eq!(buffers.incoming.capacity(), 0, "an idle connection has no large buffer");
    }

    #[test]
    fn a_length_that_no_record_has_does_not_count() {
        let mut buffers = buffers();
        buffers.room().unwrap()[..5].copy_from_slice(&[23, 3, 3, 0xff, 0xff]);
        buffers.add_received(5);
        assert_eq!(buffers.room().unwrap().len(), MAX_RECORD_BYTES - 5);
    }

    #[test]
    fn messages_that_never_end_are_refused() {
        let mut buffers = buffers();
        let mut received = 0;
        while let Ok(room) = buffers.room() {
            received += room.len();
            let count = room.len();
            buffers.add_received(count);
        }
        assert!((MAX_RECORD_BYTES..=2 * MAX_RECORD_BYTES).contains(&received), "{received}");
    }

    #[test]
    fn data_is_read_and_sent_in_parts() {
        let mut buffers = buffers();
        let (_, mut output) = buffers.split();
        output.add_plaintext(b"hello").unwrap();
        output
            .add_record(10, |room| {
                room[..3].copy_from_slice(b"abc");
                Ok::<_, OutOfMemory>(3)
            })
            .unwrap();
        buffers.consume(2);
        buffers.add_sent(1);
        assert_eq!(buffers.unread(), b"llo");
        assert_eq!(buffers.unsent(), b"bc");
        buffers.consume(3);
        buffers.add_sent(2);
        assert!(buffers.unread().is_empty() && buffers.unsent().is_empty());
    }
}
