//! The maximum packet lengths of paths that are shorter than the link's (RFC 1191, RFC 8201).

use core::net::IpAddr;

use smoltcp::time::{Duration, Instant};

use super::bounded_map::{BoundedMap, KeyedHash};

/// The paths that are remembered at a time.
const MAX_PATHS: usize = 256;
/// How long a path is remembered (RFC 1191, 6.3).
const LIFETIME: Duration = Duration::from_secs(600);
/// The lowest value that is believed, so that a forged message cannot have every byte sent in a packet of its own. RFC 1191 permits
/// 68, Linux takes 552 as well.
const MIN_IPV4_BYTES: u16 = 552;
/// Each IPv6 link has as much (RFC 8200, 5).
const MIN_IPV6_BYTES: u16 = 1280;
/// What to try when long packets vanish without a word, longest first (after RFC 1191, 7.1).
const PLATEAUS: [u16; 4] = [1400, 1280, 1006, 552];

#[derive(Debug)]
pub(in crate::stack) struct PathMtu {
    paths: BoundedMap<IpAddr, Path>,
    /// The lowest of all paths; no packet up to this length needs a look-up.
    lowest: u16,
}

#[derive(Debug)]
struct Path {
    bytes: u16,
    expires_at: Instant,
}

const fn minimum(destination: IpAddr) -> u16 {
    if destination.is_ipv4() { MIN_IPV4_BYTES } else { MIN_IPV6_BYTES }
}

impl PathMtu {
    pub(super) fn new(hash: KeyedHash) -> Self {
        Self { paths: BoundedMap::new(MAX_PATHS, hash), lowest: u16::MAX }
    }

    /// Returns whether a packet of this length may be too long for some path.
    #[inline]
    pub(in crate::stack) fn may_exceed(&self, packet_bytes: usize) -> bool {
        packet_bytes > usize::from(self.lowest)
    }

    /// Returns the maximum packet length of the path to `destination`, if it is known to be short.
    pub(in crate::stack) fn get(&self, destination: IpAddr, now: Instant) -> Option<u16> {
        if self.paths.is_empty() {
            return None;
        }
        self.paths.get(&destination).filter(|path| now < path.expires_at).map(|path| path.bytes)
    }

    /// Takes the value of an ICMP message: `bytes` is 0 from a router older than RFC 1191, and then the next plateau below
    /// `sent_bytes`. A value that is not lower than before changes nothing. Returns whether the path is shorter now.
    pub(super) fn lower(&mut self, destination: IpAddr, bytes: u16, sent_bytes: u16, now: Instant) -> bool {
        let bytes = match bytes {
            0 => PLATEAUS.into_iter().find(|plateau| *plateau < sent_bytes).unwrap_or(MIN_IPV4_BYTES),
            bytes => bytes,
        };
        let bytes = bytes.max(minimum(destination));
        if self.get(destination, now).is_some_and(|known| known <= bytes) {
            return false;
        }
        let is_stored = self.paths.insert(destination, Path { bytes, expires_at: now + LIFETIME });
        self.update_lowest();
        is_stored
    }

    /// Lowers the value after packets of `sent_bytes` have vanished repeatedly (RFC 4821, RFC 2923). Returns whether it
    /// could be lowered.
    pub(super) fn black_hole(&mut self, destination: IpAddr, sent_bytes: u16, now: Instant) -> bool {
        let before = self.get(destination, now).unwrap_or(sent_bytes).min(sent_bytes);
        let next = PLATEAUS.into_iter().find(|plateau| *plateau < before);
        next.is_some_and(|next| next >= minimum(destination) && self.lower(destination, next, before, now))
    }

    /// Forgets paths whose time is over.
    pub(super) fn expire(&mut self, now: Instant) {
        if !self.paths.is_empty() {
            self.paths.retain(|_, path| now < path.expires_at);
            self.update_lowest();
        }
    }

    fn update_lowest(&mut self) {
        self.lowest = self.paths.iter().map(|(_, path)| path.bytes).min().unwrap_or(u16::MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_only_fall_within_bounds_until_they_expire() {
        let mut paths = PathMtu::new(KeyedHash(1, 2));
        let (near, far) = (IpAddr::from([10, 0, 0, 2]), IpAddr::from([198, 51, 100, 7]));
        let now = Instant::from_secs(1);
        assert!(paths.lower(far, 1400, 1500, now));
        assert!(!paths.lower(far, 1450, 1500, now), "higher than known");
        assert_eq!((paths.get(far, now), paths.get(near, now)), (Some(1400), None));
        assert!(paths.may_exceed(1401) && !paths.may_exceed(1400));
        assert!(paths.lower(far, 68, 1400, now));
        assert_eq!(paths.get(far, now), Some(552));
        assert_eq!(paths.get(far, Instant::from_secs(700)), None);
        paths.expire(Instant::from_secs(700));
        assert!(!paths.may_exceed(usize::from(u16::MAX)));
    }

    #[test]
    fn routers_without_a_value_and_black_holes_use_plateaus() {
        let mut paths = PathMtu::new(KeyedHash(1, 2));
        let (old, new) = (IpAddr::from([10, 0, 0, 2]), "2001:db8::1".parse().expect("an address"));
        let now = Instant::from_secs(1);
        assert!(paths.lower(old, 0, 1500, now));
        assert_eq!(paths.get(old, now), Some(1400));
        for expected in [1280, 1006, 552] {
            assert!(paths.black_hole(old, 1500, now));
            assert_eq!(paths.get(old, now), Some(expected));
        }
        assert!(!paths.black_hole(old, 1500, now));
        assert!(paths.black_hole(new, 1500, now) && paths.black_hole(new, 1500, now));
        assert!(!paths.black_hole(new, 1500, now));
        assert_eq!(paths.get(new, now), Some(1280));
    }
}
