//! The choice of a link-local IPv4 address (RFC 3927).
//!
//! The [link layer](crate::link) probes for the address while it is used, and defends it then, as any other.

use core::net::Ipv4Addr;

use smoltcp::time::{Duration, Instant};

use crate::config::{ConfigSource, InterfaceAddress};
use crate::mac::Mac;
use crate::random::Random;

/// Conflicts after which a new address is tried once in [`RATE_LIMIT_INTERVAL`] (RFC 3927, 9).
const MAX_CONFLICTS: u32 = 10;
const RATE_LIMIT_INTERVAL: Duration = Duration::from_secs(60);
/// 169.254.1.0, and the number of addresses from there on: the first and the last 256 of the network are reserved.
const FIRST: u32 = 0xa9fe_0100;
const ADDRESSES: u32 = 0xfe00;
const PREFIX_LENGTH: u8 = 16;

/// A link-local address of an interface: whether it is in use, and which one.
#[derive(Debug)]
pub(crate) struct LinkLocal {
    random: Random,
    candidate: Ipv4Addr,
    is_wanted: bool,
    /// Whether the interface has the address.
    is_set: bool,
    conflicts: u32,
    /// When the candidate may be used.
    start_at: Instant,
}

impl LinkLocal {
    /// Creates a choice that begins with the same address for the same card each time (RFC 3927, 2.1).
    pub(crate) fn new(mac: Mac) -> Self {
        let seed = mac.0.iter().fold(0, |seed, byte| seed << 8 | u64::from(*byte));
        let mut choice = Self {
            random: Random::new(seed),
            candidate: Ipv4Addr::UNSPECIFIED,
            is_wanted: false,
            is_set: false,
            conflicts: 0,
            start_at: Instant::ZERO,
        };
        choice.choose();
        choice
    }

    fn choose(&mut self) {
        self.candidate = Ipv4Addr::from_bits(FIRST + self.random.below(ADDRESSES));
    }

    /// Begins to use an address; the one of before, if there was one.
    pub(crate) fn start(&mut self) {
        self.is_wanted = true;
    }

    /// Ends the use of the address.
    pub(crate) fn stop(&mut self) {
        (self.is_wanted, self.conflicts) = (false, 0);
    }

    /// Takes a conflict over `address`: another one is used next. Returns whether it is the address of this choice.
    pub(crate) fn conflict(&mut self, address: Ipv4Addr, now: Instant) -> bool {
        if !self.is_set || address != self.candidate {
            return false;
        }
        self.conflicts += 1;
        if self.conflicts >= MAX_CONFLICTS {
            self.start_at = now + RATE_LIMIT_INTERVAL;
        }
        self.is_set = false;
        self.choose();
        true
    }

    /// Returns when [`poll`](Self::poll) has something to do; `None` for never.
    #[inline]
    pub(crate) fn deadline(&self) -> Option<Instant> {
        match (self.is_wanted, self.is_set) {
            (true, false) => Some(self.start_at),
            (false, true) => Some(Instant::ZERO),
            _ => None,
        }
    }

    /// Returns the address to use from now on, if that has changed: `Some(None)` for none.
    #[inline]
    pub(crate) fn poll(&mut self, now: Instant) -> Option<Option<InterfaceAddress>> {
        if self.deadline().is_none_or(|at| now < at) {
            return None;
        }
        self.is_set = self.is_wanted;
        let address = InterfaceAddress::new(self.candidate.into(), PREFIX_LENGTH, ConfigSource::LinkLocal);
        Some(self.is_wanted.then_some(address))
    }
}

#[cfg(test)]
mod tests {
    use core::net::IpAddr;

    use super::*;

    const NOW: Instant = Instant::from_micros_const(100_000_000);

    fn taken(choice: &mut LinkLocal, now: Instant) -> Ipv4Addr {
        match choice.poll(now).flatten().expect("an address").address {
            IpAddr::V4(address) => address,
            IpAddr::V6(_) => panic!("IPv4"),
        }
    }

    #[test]
    fn the_address_follows_from_the_card_and_stays() {
        let mac = Mac([2, 0, 0, 0, 0, 1]);
        let (mut choice, mut again) = (LinkLocal::new(mac), LinkLocal::new(mac));
        assert!(choice.poll(NOW).is_none() && choice.deadline().is_none());
        choice.start();
        again.start();
        let address = taken(&mut choice, NOW);
        assert_eq!(taken(&mut again, NOW), address);
        assert!(choice.poll(NOW).is_none());
        choice.stop();
        assert_eq!(choice.poll(NOW), Some(None));
        choice.start();
        assert_eq!(taken(&mut choice, NOW), address);
        let mut other = LinkLocal::new(Mac([2, 0, 0, 0, 0, 2]));
        other.start();
        assert_ne!(taken(&mut other, NOW), address);
    }

    #[test]
    fn each_conflict_leads_to_another_address_and_many_to_one_a_minute() {
        let mut choice = LinkLocal::new(Mac([2, 0, 0, 0, 0, 1]));
        choice.start();
        let mut now = NOW;
        let mut last = Ipv4Addr::UNSPECIFIED;
        for _ in 0..10 {
            let address = taken(&mut choice, now);
            assert_ne!(address, last);
            let [169, 254, 1..=254, _] = address.octets() else { panic!("{address}") };
            assert!(!choice.conflict(Ipv4Addr::new(10, 0, 0, 1), now), "another one's");
            assert!(choice.conflict(address, now));
            last = address;
        }
        assert!(choice.poll(now + Duration::from_secs(59)).is_none());
        now += Duration::from_secs(60);
        let address = taken(&mut choice, now);
        assert!(choice.conflict(address, now) && choice.poll(now).is_none());
    }
}
