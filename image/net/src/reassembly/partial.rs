//! One packet of which fragments have arrived.

use alloc::vec::Vec;

use smoltcp::time::Instant;

use super::{Fragment, Refused, Whole};

/// Pieces of a packet with gaps between them.
const MAX_PIECES: usize = 64;

#[derive(Debug)]
pub(super) struct Partial<K> {
    pub(super) key: K,
    pub(super) deadline: Instant,
    /// Room for the headers, and the payload as far as it is known.
    pub(super) bytes: Vec<u8>,
    /// Ranges of the payload that have arrived, in order, with gaps between them.
    pieces: Vec<(usize, usize)>,
    /// The length of the payload, once the last fragment has arrived.
    length: Option<usize>,
    /// Of the first fragment.
    protocol: u8,
    /// Fragments contradict each other.
    is_invalid: bool,
}

impl<K> Partial<K> {
    pub(super) fn new(key: K, deadline: Instant) -> Self {
        let (bytes, pieces) = (Vec::new(), Vec::new());
        Self { key, deadline, bytes, pieces, length: None, protocol: 0, is_invalid: false }
    }

    /// Frees the memory; all further fragments are refused.
    pub(super) fn invalidate(&mut self) {
        (self.bytes, self.pieces, self.is_invalid) = (Vec::new(), Vec::new(), true);
    }

    /// Grows to so many bytes. Returns whether there was memory.
    pub(super) fn grow(&mut self, bytes: usize) -> bool {
        if self.is_invalid || self.bytes.try_reserve_exact(bytes - self.bytes.len()).is_err() {
            return false;
        }
        self.bytes.resize(bytes, 0);
        true
    }

    /// Inserts a fragment, for which there is room behind the headers. Returns whether the packet is complete; an error if it
    /// contradicts others.
    pub(super) fn insert(&mut self, fragment: Fragment<'_>, header_bytes: usize) -> Result<bool, Refused> {
        let Fragment { offset: start, data, is_last, protocol } = fragment;
        let end = start + data.len();
        let target = header_bytes + start..header_bytes + end;
        let known_end = self.pieces.last().map_or(0, |piece| piece.1);
        let contradicts = match self.length {
            Some(length) => end > length || (is_last && end != length),
            None => is_last && known_end > end,
        };
        if contradicts || self.is_invalid {
            return Err(Refused);
        }
        let place = self.pieces.partition_point(|piece| piece.1 <= start);
        if let Some(&(from, to)) = self.pieces.get(place)
            && from < end
        {
            let is_copy = from <= start && end <= to && self.bytes.get(target) == Some(data);
            return if is_copy { Ok(false) } else { Err(Refused) };
        }
        if is_last {
            self.length = Some(end);
        }
        if start == 0 {
            self.protocol = protocol;
        }
        self.bytes.get_mut(target).ok_or(Refused)?.copy_from_slice(data);
        self.add_piece(place, start, end)?;
        Ok(self.length.is_some_and(|length| self.pieces == [(0, length)]))
    }

    /// Adds a range before the piece at `place`, and joins it with those that it touches.
    fn add_piece(&mut self, place: usize, start: usize, end: usize) -> Result<(), Refused> {
        let touches_next = self.pieces.get(place).is_some_and(|next| next.0 == end);
        match place.checked_sub(1).filter(|before| self.pieces[*before].1 == start) {
            Some(before) if touches_next => {
                self.pieces[before].1 = self.pieces[place].1;
                self.pieces.remove(place);
            }
            Some(before) => self.pieces[before].1 = end,
            None if touches_next => self.pieces[place].0 = start,
            None => {
                if self.pieces.len() >= MAX_PIECES || self.pieces.try_reserve(1).is_err() {
                    return Err(Refused);
                }
                self.pieces.insert(place, (start, end));
            }
        }
        Ok(())
    }

    /// Returns the packet, which is complete.
    pub(super) fn finish(mut self, header_bytes: usize) -> Whole {
        self.bytes.truncate(header_bytes + self.length.unwrap_or(0));
        Whole { bytes: self.bytes, protocol: self.protocol }
    }
}
