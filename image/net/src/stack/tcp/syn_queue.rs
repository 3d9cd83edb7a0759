//! Handshakes that peers have begun: small entries instead of sockets (RFC 4987, 3.4), and cookies when there are too many.

use smoltcp::time::{Duration, Instant};

use super::bounded_map::BoundedMap;
use super::secret::Secret;
use super::wire::{ACK, Control, Endpoints, Incoming, SYN, SynOptions};

/// The handshakes that are stored at a time.
const MAX_HALF_OPEN: usize = 512;
/// How often a SYN is answered again without an ACK: after 1, 3, 7 and 15 seconds. It is forgotten after 31.
const MAX_RETRIES: u8 = 4;
/// A full queue forgets a handshake that has not been completed for this long; else the new SYN is answered by a cookie.
const RECYCLE_AGE: Duration = Duration::from_secs(2);
/// How long a cookie may be answered, after the last one was sent.
const COOKIE_LIFETIME: Duration = Duration::from_secs(120);
/// The segment size of a peer that offers none (RFC 9293, 3.7.1).
pub(super) const DEFAULT_SEGMENT_BYTES: u16 = 536;

/// What a listener offers in a handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Offer {
    pub(super) max_segment_bytes: u16,
    pub(super) window: u16,
    pub(super) window_scale: u8,
}

/// The sequence numbers and options of a completed handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Handshake {
    /// The next sequence number to send.
    pub(super) send_next: u32,
    /// The next sequence number to receive.
    pub(super) receive_next: u32,
    pub(super) options: SynOptions,
    /// When the SYN was answered, if that is known and the answer was not repeated.
    pub(super) begun_at: Option<Instant>,
}

#[derive(Debug)]
struct HalfOpen {
    initial: u32,
    remote_initial: u32,
    options: SynOptions,
    offer: Offer,
    begun_at: Instant,
    /// When the answer is sent again.
    due_at: Instant,
    retries: u8,
}

impl HalfOpen {
    fn answer(&self, endpoints: Endpoints) -> Control {
        let options = SynOptions {
            max_segment_bytes: Some(self.offer.max_segment_bytes),
            // Both sides scale their windows, or neither (RFC 7323, 2.2).
            window_scale: self.options.window_scale.map(|_| self.offer.window_scale),
            permits_sack: self.options.permits_sack,
        };
        Control {
            endpoints,
            sequence: self.initial,
            acknowledgement: self.remote_initial.wrapping_add(1),
            flags: SYN | ACK,
            window: self.offer.window,
            options,
        }
    }
}

/// What an acknowledgement means to the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Acknowledged {
    /// It completes this handshake.
    Handshake(Handshake),
    /// It is for a handshake, but acknowledges something else (RFC 9293, 3.10.7.4: a reset is the answer).
    Unacceptable,
    /// It is for no handshake.
    Unknown,
}

#[derive(Debug)]
pub(super) struct SynQueue {
    entries: BoundedMap<Endpoints, HalfOpen>,
    /// When a cookie was sent last.
    cookie_at: Option<Instant>,
}

impl SynQueue {
    pub(super) fn new(secret: &Secret) -> Self {
        Self { entries: BoundedMap::new(MAX_HALF_OPEN, secret.table), cookie_at: None }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Handles a SYN. Returns the segment that answers it.
    ///
    /// `after` is the lowest permitted initial sequence number, if there was an earlier connection of the same addresses
    /// (RFC 1122, 4.2.2.13).
    pub(super) fn synchronize(
        &mut self,
        syn: &Incoming<'_>,
        offer: Offer,
        after: Option<u32>,
        secret: &Secret,
        now: Instant,
    ) -> Control {
        let endpoints = syn.endpoints;
        if let Some(entry) = self.entries.get(&endpoints).filter(|entry| entry.remote_initial == syn.sequence) {
            return entry.answer(endpoints);
        }
        let mut entry = HalfOpen {
            initial: after.unwrap_or_else(|| secret.initial_sequence(&endpoints, now)),
            remote_initial: syn.sequence,
            options: syn.syn_options(),
            offer,
            begun_at: now,
            due_at: now + Duration::from_secs(1),
            retries: 0,
        };
        let is_young = self.entries.is_full()
            && self.entries.oldest().is_some_and(|(_, oldest)| now < oldest.begun_at + RECYCLE_AGE);
        let answer = entry.answer(endpoints);
        if !is_young && self.entries.insert(endpoints, entry) {
            return answer;
        }
        let offered = syn.syn_options().max_segment_bytes.unwrap_or(DEFAULT_SEGMENT_BYTES);
        entry = HalfOpen {
            initial: secret.cookie(&endpoints, syn.sequence, offered, now),
            // A cookie has no room for them.
            options: SynOptions::default(),
            remote_initial: syn.sequence,
            offer,
            begun_at: now,
            due_at: now,
            retries: 0,
        };
        self.cookie_at = Some(now);
        entry.answer(endpoints)
    }

    /// Returns what a segment with an acknowledgement, but without SYN and RST, means. The entry stays until
    /// [`remove`](Self::remove) is called: there may be no room for the connection yet.
    pub(super) fn acknowledge(&self, segment: &Incoming<'_>, secret: &Secret, now: Instant) -> Acknowledged {
        let endpoints = &segment.endpoints;
        if let Some(entry) = self.entries.get(endpoints) {
            let send_next = entry.initial.wrapping_add(1);
            let receive_next = entry.remote_initial.wrapping_add(1);
            return match segment.acknowledgement == send_next {
                true => Acknowledged::Handshake(Handshake {
                    send_next,
                    receive_next,
                    options: entry.options,
                    begun_at: (entry.retries == 0).then_some(entry.begun_at),
                }),
                false => Acknowledged::Unacceptable,
            };
        }
        if self.cookie_at.is_none_or(|at| now > at + COOKIE_LIFETIME) {
            return Acknowledged::Unknown;
        }
        let cookie = segment.acknowledgement.wrapping_sub(1);
        // Either the first segment after the SYN, or a data segment because the first was lost: then its data is the first.
        let remote_initial = segment.sequence.wrapping_sub(1);
        match secret.check_cookie(endpoints, remote_initial, cookie, now) {
            Some(bytes) => Acknowledged::Handshake(Handshake {
                send_next: segment.acknowledgement,
                receive_next: segment.sequence,
                options: SynOptions { max_segment_bytes: Some(bytes), ..SynOptions::default() },
                begun_at: None,
            }),
            None => Acknowledged::Unknown,
        }
    }

    /// Returns the next expected sequence number of a handshake.
    pub(super) fn receive_next(&self, endpoints: &Endpoints) -> Option<u32> {
        self.entries.get(endpoints).map(|entry| entry.remote_initial.wrapping_add(1))
    }

    /// Removes a handshake that was completed or reset.
    pub(super) fn remove(&mut self, endpoints: &Endpoints) {
        self.entries.remove(endpoints);
    }

    /// Forgets the handshakes with a local port.
    pub(super) fn remove_port(&mut self, port: u16) {
        self.entries.retain(|endpoints, _| endpoints.local_port != port);
    }

    /// Passes the answers that are due again to `send`, and forgets handshakes that were answered often enough.
    pub(super) fn retransmit(&mut self, now: Instant, mut send: impl FnMut(Control)) {
        self.entries.retain(|endpoints, entry| {
            if now < entry.due_at {
                return true;
            }
            if entry.retries == MAX_RETRIES {
                return false;
            }
            entry.retries += 1;
            entry.due_at = now + Duration::from_secs(1 << entry.retries);
            send(entry.answer(*endpoints));
            true
        });
    }
}

#[cfg(test)]
mod tests;
