//! Reassembly of IPv4 fragments (RFC 791, 3.2; RFC 1122, 3.3.2), within bounds.
//!
//! Overlapping fragments are refused with all of their datagram, as RFC 5722 has it for IPv6: they are used to evade
//! filters, and no honest sender makes them. Copies of a fragment are ignored.

use alloc::vec::Vec;
use core::net::Ipv4Addr;

use smoltcp::time::{Duration, Instant};

use super::ipv4::{self, IPV4_HEADER, Ipv4Header};

/// How long the fragments of a datagram may take. RFC 1122 recommends 60 seconds; Linux takes 30.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Datagrams that are incomplete at a time, and of them from one source.
const MAX_DATAGRAMS: usize = 32;
const MAX_DATAGRAMS_OF_SOURCE: usize = 8;
/// Bytes of all incomplete datagrams, and of those from one source: a few of the largest.
const MAX_BYTES: usize = 512 * 1024;
const MAX_BYTES_OF_SOURCE: usize = 192 * 1024;
/// Pieces of a datagram with gaps between them.
const MAX_PIECES: usize = 64;
/// Bytes of the longest payload of a datagram.
const MAX_PAYLOAD: usize = 65_535 - IPV4_HEADER;

/// What identifies a datagram (RFC 791, 3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Key {
    source: Ipv4Addr,
    destination: Ipv4Addr,
    protocol: u8,
    identification: u16,
}

/// A datagram of which fragments have arrived.
struct Incomplete {
    key: Key,
    deadline: Instant,
    /// The header without options that the datagram gets, and its payload, as far as it is known.
    packet: Vec<u8>,
    /// Ranges of the payload that have arrived, in order, with gaps between them.
    pieces: Vec<(usize, usize)>,
    /// The length of the payload, once the last fragment has arrived.
    length: Option<usize>,
}

/// The incomplete datagrams of an interface, the oldest first.
#[derive(Default)]
pub(super) struct Reassembly {
    datagrams: Vec<Incomplete>,
}

impl Reassembly {
    /// Adds a fragment. Returns the whole packet if it was the last one that was missing; its header is verified and
    /// has no options.
    pub(super) fn add(&mut self, packet: &[u8], header: &Ipv4Header, now: Instant) -> Result<Option<Vec<u8>>, ()> {
        self.datagrams.retain(|datagram| now < datagram.deadline);
        let identification = u16::from_be_bytes([packet[4], packet[5]]);
        let (source, destination, protocol) = (header.source, header.destination, header.protocol);
        let key = Key { source, destination, protocol, identification };
        let payload = packet.get(header.header_length..header.total_length).ok_or(())?;
        let start = usize::from(header.fragment & 0x1fff) * 8;
        let end = start + payload.len();
        let is_last = header.fragment & 0x2000 == 0;
        // All but the last are a multiple of eight bytes.
        if end > MAX_PAYLOAD || payload.is_empty() || (!is_last && !payload.len().is_multiple_of(8)) {
            self.remove(&key);
            return Err(());
        }
        let index = match self.datagrams.iter().position(|datagram| datagram.key == key) {
            Some(index) => index,
            None => self.begin(key, now)?,
        };
        if !self.make_room(index, IPV4_HEADER + end) {
            self.remove(&key);
            return Err(());
        }
        // Older ones may have given way.
        let index = self.datagrams.iter().position(|datagram| datagram.key == key).ok_or(())?;
        match self.datagrams[index].insert(start, payload, is_last) {
            Ok(false) => Ok(None),
            Ok(true) => Ok(Some(self.datagrams.remove(index).finish())),
            Err(()) => {
                self.datagrams.remove(index);
                Err(())
            }
        }
    }

    fn remove(&mut self, key: &Key) {
        self.datagrams.retain(|datagram| datagram.key != *key);
    }

    /// Adds a datagram without fragments. The oldest of its source, or of all, gives way.
    fn begin(&mut self, key: Key, now: Instant) -> Result<usize, ()> {
        let of_source = self.datagrams.iter().filter(|datagram| datagram.key.source == key.source).count();
        if of_source >= MAX_DATAGRAMS_OF_SOURCE {
            self.remove_oldest(|other| other.source == key.source);
        } else if self.datagrams.len() >= MAX_DATAGRAMS {
            self.remove_oldest(|_| true);
        }
        self.datagrams.try_reserve(1).map_err(drop)?;
        let (packet, pieces) = (Vec::new(), Vec::new());
        self.datagrams.push(Incomplete { key, deadline: now + TIMEOUT, packet, pieces, length: None });
        Ok(self.datagrams.len() - 1)
    }

    fn remove_oldest(&mut self, is_candidate: impl Fn(&Key) -> bool) {
        if let Some(oldest) = self.datagrams.iter().position(|other| is_candidate(&other.key)) {
            self.datagrams.remove(oldest);
        }
    }

    /// Makes room for a datagram to grow to so many bytes. Returns whether there is.
    fn make_room(&mut self, index: usize, bytes: usize) -> bool {
        let Some(datagram) = self.datagrams.get_mut(index) else { return false };
        let Some(more) = bytes.checked_sub(datagram.packet.len()).filter(|more| *more > 0) else { return true };
        let key = datagram.key;
        loop {
            let used = |is_counted: &dyn Fn(&Key) -> bool| -> usize {
                let counted = self.datagrams.iter().filter(|other| is_counted(&other.key));
                counted.map(|other| other.packet.capacity()).sum()
            };
            let is_source_full = used(&|other| other.source == key.source) + more > MAX_BYTES_OF_SOURCE;
            if !is_source_full && used(&|_| true) + more <= MAX_BYTES {
                break;
            }
            let before = self.datagrams.len();
            self.remove_oldest(|other| *other != key && (!is_source_full || other.source == key.source));
            if self.datagrams.len() == before {
                return false;
            }
        }
        let Some(datagram) = self.datagrams.iter_mut().find(|datagram| datagram.key == key) else { return false };
        if datagram.packet.try_reserve_exact(more).is_err() {
            return false;
        }
        datagram.packet.resize(bytes, 0);
        true
    }
}

impl Incomplete {
    /// Inserts a fragment. Returns whether the datagram is complete; an error if it contradicts others.
    fn insert(&mut self, start: usize, payload: &[u8], is_last: bool) -> Result<bool, ()> {
        let end = start + payload.len();
        let target = IPV4_HEADER + start..IPV4_HEADER + end;
        let known_end = self.pieces.last().map_or(0, |piece| piece.1);
        let contradicts = match self.length {
            Some(length) => end > length || (is_last && end != length),
            None => is_last && known_end > end,
        };
        if contradicts {
            return Err(());
        }
        let place = self.pieces.partition_point(|piece| piece.1 <= start);
        if let Some(&(from, to)) = self.pieces.get(place)
            && from < end
        {
            let is_copy = from <= start && end <= to && self.packet.get(target) == Some(payload);
            return if is_copy { Ok(false) } else { Err(()) };
        }
        if is_last {
            self.length = Some(end);
        }
        self.packet.get_mut(target).ok_or(())?.copy_from_slice(payload);
        self.add_piece(place, start, end)?;
        Ok(self.length.is_some_and(|length| self.pieces == [(0, length)]))
    }

    /// Adds a range before the piece at `place`, and joins it with those that it touches.
    fn add_piece(&mut self, place: usize, start: usize, end: usize) -> Result<(), ()> {
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
                    return Err(());
                }
                self.pieces.insert(place, (start, end));
            }
        }
        Ok(())
    }

    fn finish(mut self) -> Vec<u8> {
        let Key { source, destination, protocol, .. } = self.key;
        let length = self.length.unwrap_or(0);
        self.packet.truncate(IPV4_HEADER + length);
        ipv4::write_header(&mut self.packet, length, protocol, source, destination);
        self.packet
    }
}

#[cfg(test)]
mod tests;
