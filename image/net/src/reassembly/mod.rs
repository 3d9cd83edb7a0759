//! Reassembly of fragmented packets within bounds: what IPv4 (RFC 791, 3.2; RFC 1122, 3.3.2) and IPv6 (RFC 8200, 4.5) have in
//! common. They differ by what identifies a packet, and by its headers.
//!
//! Overlapping fragments are refused with all of their packet (RFC 5722; RFC 1858 for IPv4): they are used to evade filters, and no
//! honest sender makes them. Copies of a fragment are ignored.

mod partial;

use alloc::vec::Vec;

use smoltcp::time::{Duration, Instant};

use self::partial::Partial;

/// Later than any time.
const NEVER: Instant = Instant::from_micros_const(i64::MAX);

/// What identifies the packet of a fragment.
pub(crate) trait PacketKey: Copy + Eq {
    /// An address.
    type Source: Eq;

    /// Returns the sender.
    fn source(&self) -> Self::Source;
}

/// The bounds of incomplete packets.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Room in front of the payload, which counts.
    pub(crate) header_bytes: usize,
    /// Of the longest payload.
    pub(crate) payload_bytes: usize,
    /// Packets at a time, and of them from one source.
    pub(crate) packets: usize,
    pub(crate) packets_of_source: usize,
    /// Bytes of all packets, and of those from one source.
    pub(crate) bytes: usize,
    pub(crate) bytes_of_source: usize,
    /// How long the fragments of a packet may take.
    pub(crate) timeout: Duration,
    /// Whether what still arrives of a packet with contradictions is dropped, too (RFC 5722, 4); else it begins anew.
    pub(crate) remembers_invalid: bool,
}

/// A fragment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fragment<'a> {
    /// Where it begins in the payload, in bytes.
    pub(crate) offset: usize,
    pub(crate) data: &'a [u8],
    pub(crate) is_last: bool,
    /// The protocol of the payload, as its header has it.
    pub(crate) protocol: u8,
}

/// A whole packet.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Whole {
    /// The payload, behind room for the headers.
    pub(crate) bytes: Vec<u8>,
    /// The protocol, as the first fragment has it.
    pub(crate) protocol: u8,
}

/// A fragment was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refused;

/// The incomplete packets of an interface, the oldest first.
#[derive(Debug)]
pub(crate) struct Reassembly<K> {
    limits: Limits,
    packets: Vec<Partial<K>>,
}

impl<K: PacketKey> Reassembly<K> {
    pub(crate) const fn new(limits: Limits) -> Self {
        Self { limits, packets: Vec::new() }
    }

    /// Forgets all packets.
    pub(crate) fn clear(&mut self) {
        self.packets = Vec::new();
    }

    /// Drops the packets whose time is over.
    pub(crate) fn expire(&mut self, now: Instant) {
        self.packets.retain(|packet| now < packet.deadline);
    }

    /// Returns when the next packet is dropped.
    pub(crate) fn deadline(&self) -> Instant {
        // All have the same time.
        self.packets.first().map_or(NEVER, |packet| packet.deadline)
    }

    /// Adds a fragment. Returns the whole packet if it was the last one that was missing.
    pub(crate) fn add(&mut self, key: K, fragment: Fragment<'_>, now: Instant) -> Result<Option<Whole>, Refused> {
        self.expire(now);
        let end = fragment.offset + fragment.data.len();
        // All but the last are a multiple of eight bytes.
        let is_misaligned = !fragment.is_last && !fragment.data.len().is_multiple_of(8);
        if fragment.data.is_empty() || is_misaligned || end > self.limits.payload_bytes {
            return Err(Refused);
        }
        if self.find(&key).is_none() {
            self.begin(key, now)?;
        }
        if !self.make_room(&key, self.limits.header_bytes + end) {
            return Err(self.refuse(&key));
        }
        // Older ones may have given way.
        let index = self.find(&key).ok_or(Refused)?;
        match self.packets[index].insert(fragment, self.limits.header_bytes) {
            Ok(true) => Ok(Some(self.packets.remove(index).finish(self.limits.header_bytes))),
            Ok(false) => Ok(None),
            Err(Refused) => Err(self.refuse(&key)),
        }
    }

    fn find(&self, key: &K) -> Option<usize> {
        self.packets.iter().position(|packet| packet.key == *key)
    }

    /// Ends the packet of a fragment that cannot be.
    fn refuse(&mut self, key: &K) -> Refused {
        match self.find(key) {
            Some(index) if self.limits.remembers_invalid => self.packets[index].invalidate(),
            Some(index) => drop(self.packets.remove(index)),
            None => {}
        }
        Refused
    }

    /// Adds a packet without fragments. The oldest of its source, or of all, gives way.
    fn begin(&mut self, key: K, now: Instant) -> Result<(), Refused> {
        let of_source = self.packets.iter().filter(|packet| packet.key.source() == key.source()).count();
        if of_source >= self.limits.packets_of_source {
            self.remove_oldest(|other| other.source() == key.source());
        } else if self.packets.len() >= self.limits.packets {
            self.remove_oldest(|_| true);
        }
        self.packets.try_reserve(1).map_err(|_| Refused)?;
        self.packets.push(Partial::new(key, now + self.limits.timeout));
        Ok(())
    }

    fn remove_oldest(&mut self, is_candidate: impl Fn(&K) -> bool) {
        if let Some(oldest) = self.packets.iter().position(|other| is_candidate(&other.key)) {
            self.packets.remove(oldest);
        }
    }

    /// Makes room for a packet to grow to so many bytes. Returns whether there is.
    fn make_room(&mut self, key: &K, bytes: usize) -> bool {
        let Some(index) = self.find(key) else { return false };
        let has = self.packets[index].bytes.len();
        let Some(more) = bytes.checked_sub(has).filter(|more| *more > 0) else { return true };
        loop {
            let used = |is_counted: &dyn Fn(&K) -> bool| -> usize {
                let counted = self.packets.iter().filter(|other| is_counted(&other.key));
                counted.map(|other| other.bytes.capacity()).sum()
            };
            let is_source_full = used(&|other| other.source() == key.source()) + more > self.limits.bytes_of_source;
            if !is_source_full && used(&|_| true) + more <= self.limits.bytes {
                break;
            }
            let before = self.packets.len();
            self.remove_oldest(|other| other != key && (!is_source_full || other.source() == key.source()));
            if self.packets.len() == before {
                return false;
            }
        }
        self.find(key).is_some_and(|index| self.packets[index].grow(bytes))
    }
}

#[cfg(test)]
impl<K: PacketKey> Reassembly<K> {
    /// Returns the incomplete packets and their bytes.
    pub(crate) fn used(&self) -> (usize, usize) {
        (self.packets.len(), self.packets.iter().map(|packet| packet.bytes.capacity()).sum())
    }

    /// Returns the packets of a source.
    pub(crate) fn of_source(&self, source: K::Source) -> usize {
        self.packets.iter().filter(|packet| packet.key.source() == source).count()
    }
}
