//! Initial sequence numbers (RFC 6528) and SYN cookies (RFC 4987, 3.6): keyed hashes of a connection's addresses.

use smoltcp::time::Instant;

use super::bounded_map::KeyedHash;
use super::wire::Endpoints;

/// How long a period of the cookies' clock is.
const PERIOD_SECONDS: i64 = 64;
/// The maximum segment sizes that a cookie can carry.
const SEGMENT_BYTES: [u16; 8] = [216, 536, 1220, 1360, 1400, 1440, 1460, 8960];

/// The secret of a stack.
#[derive(Debug, Clone, Copy)]
pub(super) struct Secret {
    sequence: KeyedHash,
    cookie: KeyedHash,
    port: KeyedHash,
    pub(super) table: KeyedHash,
}

impl Secret {
    /// Derives the secret from a random seed.
    pub(super) fn new(seed: u64) -> Self {
        let derive = |number: u64| {
            let hash = KeyedHash(seed, number);
            KeyedHash(hash.hash(1_u8), hash.hash(2_u8))
        };
        Self { sequence: derive(1), cookie: derive(2), port: derive(3), table: derive(4) }
    }

    /// Returns the initial sequence number of a connection: a clock of 4 µs and a hash (RFC 6528, 3), so that a later
    /// connection of the same addresses begins above an earlier one.
    pub(super) fn initial_sequence(&self, endpoints: &Endpoints, now: Instant) -> u32 {
        low_half(self.sequence.hash(endpoints)).wrapping_add(low_half((now.total_micros() / 4).cast_unsigned()))
    }

    /// Returns where the search for an ephemeral port begins (RFC 6056, 3.3.3: a hash of the destination).
    pub(super) fn port_offset(&self, remote: core::net::SocketAddr) -> u32 {
        low_half(self.port.hash(remote))
    }

    /// Returns the initial sequence number that answers a SYN of which nothing is stored: five bits of the clock, three for
    /// the segment size, and 24 of a hash.
    pub(super) fn cookie(&self, endpoints: &Endpoints, remote_initial: u32, segment_bytes: u16, now: Instant) -> u32 {
        let index = SEGMENT_BYTES.iter().rposition(|bytes| *bytes <= segment_bytes).unwrap_or_default();
        let period = now.secs() / PERIOD_SECONDS;
        let clock = (period & 0x1f) as u32;
        clock << 27 | ((index as u64 & 7) as u32) << 24 | self.cookie_hash(endpoints, remote_initial, period, index)
    }

    fn cookie_hash(&self, endpoints: &Endpoints, remote_initial: u32, period: i64, index: usize) -> u32 {
        low_half(self.cookie.hash((endpoints, remote_initial, period, index))) & 0xff_ffff
    }

    /// Returns the segment size of a cookie of this period or the last one; `None` for any other number.
    pub(super) fn check_cookie(
        &self,
        endpoints: &Endpoints,
        remote_initial: u32,
        cookie: u32,
        now: Instant,
    ) -> Option<u16> {
        let period = now.secs() / PERIOD_SECONDS;
        let index = (cookie >> 24 & 7) as usize;
        [period, period - 1].into_iter().find(|period| (period & 0x1f) as u32 == cookie >> 27).and_then(|period| {
            let is_right = self.cookie_hash(endpoints, remote_initial, period, index) == cookie & 0xff_ffff;
            is_right.then(|| SEGMENT_BYTES[index])
        })
    }
}

const fn low_half(value: u64) -> u32 {
    (value & 0xffff_ffff) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoints(remote_port: u16) -> Endpoints {
        Endpoints { local: [10, 0, 0, 1].into(), remote: [10, 0, 0, 2].into(), local_port: 80, remote_port }
    }

    #[test]
    fn a_cookie_is_right_for_its_connection_and_two_minutes() {
        let secret = Secret::new(7);
        let at = Instant::from_secs(1000);
        for (offered, found) in [(100, 216), (536, 536), (1459, 1440), (1460, 1460), (65_535, 8960)] {
            let cookie = secret.cookie(&endpoints(1), 5, offered, at);
            assert_eq!(secret.check_cookie(&endpoints(1), 5, cookie, at), Some(found));
            assert_eq!(secret.check_cookie(&endpoints(1), 5, cookie, Instant::from_secs(1063)), Some(found));
            assert_eq!(secret.check_cookie(&endpoints(1), 5, cookie, Instant::from_secs(1200)), None);
            assert_eq!(secret.check_cookie(&endpoints(2), 5, cookie, at), None);
            assert_eq!(secret.check_cookie(&endpoints(1), 6, cookie, at), None);
            assert_eq!(secret.check_cookie(&endpoints(1), 5, cookie ^ 0x100_0000, at), None);
        }
    }

    #[test]
    fn initial_sequence_numbers_rise_with_time_and_differ_between_connections() {
        let secret = Secret::new(7);
        let first = secret.initial_sequence(&endpoints(1), Instant::from_secs(1));
        let later = secret.initial_sequence(&endpoints(1), Instant::from_secs(2));
        assert_eq!(later.wrapping_sub(first), 250_000);
        assert_ne!(first, secret.initial_sequence(&endpoints(2), Instant::from_secs(1)));
    }
}
