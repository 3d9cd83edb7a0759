//! The addresses of an interface: link-local, from prefixes that routers advertise, from DHCPv6 and from the command line,
//! with duplicate address detection (RFC 4862). Detection is optimistic (RFC 4429): an address is used while it runs.

use core::net::Ipv6Addr;

use heapless::Vec;
use smoltcp::time::{Duration, Instant};

use super::address::{LINK_LOCAL, Prefix, common_bits, interface_identifier, is_link_local, scope};
use super::routers::lifetime_end;
use crate::config::ConfigSource;
use crate::ipv6::NEVER;

/// Addresses of an interface at most.
pub(crate) const MAX_ADDRESSES: usize = 8;
/// Addresses that are tried after collisions (RFC 7217, 6: IDGEN_RETRIES).
const MAX_COLLISIONS: u8 = 3;
/// A shorter valid lifetime cannot be set by an advertisement that is not authenticated (RFC 4862, 5.5.3, e).
const TWO_HOURS: Duration = Duration::from_secs(2 * 3600);

/// The state of duplicate address detection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Detection {
    /// The solicitation is due.
    Due,
    /// Without an answer until then, the address is unique.
    Until(Instant),
    Done,
}

/// An address of an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OwnAddress {
    pub(crate) address: Ipv6Addr,
    pub(crate) prefix_length: u8,
    pub(crate) source: ConfigSource,
    detection: Detection,
    collisions: u8,
    preferred_until: Instant,
    pub(crate) valid_until: Instant,
}

impl OwnAddress {
    /// Returns whether duplicate detection still runs.
    pub(crate) fn is_optimistic(&self) -> bool {
        self.detection != Detection::Done
    }
}

/// The lifetimes of an address, in seconds; all ones for unlimited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lifetimes {
    pub(crate) preferred_s: u32,
    pub(crate) valid_s: u32,
}

impl Lifetimes {
    pub(crate) const UNLIMITED: Self = Self { preferred_s: u32::MAX, valid_s: u32::MAX };
}

/// What has happened to an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AddressEvent {
    /// A solicitation that detects duplicates is due.
    Detect(Ipv6Addr),
    /// No duplicate was found.
    Unique(OwnAddress),
    /// Its lifetime is over.
    Expired(OwnAddress),
}

/// The addresses of an interface.
#[derive(Debug)]
pub(crate) struct Addresses {
    list: Vec<OwnAddress, MAX_ADDRESSES>,
    mac: [u8; 6],
}

impl Addresses {
    pub(crate) fn new(mac: [u8; 6]) -> Self {
        Self { list: Vec::new(), mac }
    }

    pub(crate) fn iter(&self) -> core::slice::Iter<'_, OwnAddress> {
        self.list.iter()
    }

    pub(crate) fn find(&self, address: &Ipv6Addr) -> Option<&OwnAddress> {
        self.list.iter().find(|own| own.address == *address)
    }

    pub(crate) fn has(&self, address: &Ipv6Addr) -> bool {
        self.find(address).is_some()
    }

    /// Returns the link-local address.
    pub(crate) fn link_local(&self) -> Option<&OwnAddress> {
        self.list.iter().find(|own| own.source == ConfigSource::LinkLocal)
    }

    /// Begins to detect duplicates of all addresses again.
    pub(crate) fn detect_again(&mut self) {
        self.list.iter_mut().for_each(|own| own.detection = Detection::Due);
    }

    /// Adds an address, or renews its lifetimes. Returns whether it is new.
    pub(crate) fn add(
        &mut self,
        ours: (Ipv6Addr, u8),
        source: ConfigSource,
        lifetimes: Lifetimes,
        now: Instant,
    ) -> bool {
        let (address, prefix_length) = ours;
        let (preferred_until, valid_until) =
            (lifetime_end(now, lifetimes.preferred_s), lifetime_end(now, lifetimes.valid_s));
        if let Some(own) = self.list.iter_mut().find(|own| own.address == address) {
            (own.preferred_until, own.valid_until) = (preferred_until, valid_until);
            return false;
        }
        let detection = Detection::Due;
        let own = OwnAddress { address, prefix_length, source, detection, collisions: 0, preferred_until, valid_until };
        self.list.push(own).is_ok()
    }

    /// Adds the link-local address.
    pub(crate) fn add_link_local(&mut self, now: Instant) {
        if self.link_local().is_some() {
            return;
        }
        let address = LINK_LOCAL.with_identifier(interface_identifier(&LINK_LOCAL, self.mac, 0));
        self.add((address, 64), ConfigSource::LinkLocal, Lifetimes::UNLIMITED, now);
    }

    /// Makes an address of an advertised prefix, or renews it (RFC 4862, 5.5.3).
    pub(crate) fn advertised(&mut self, prefix: &Prefix, lifetimes: Lifetimes, now: Instant) -> bool {
        let is_usable = prefix.length == 64
            && lifetimes.preferred_s <= lifetimes.valid_s
            && !is_link_local(&prefix.address)
            && super::address::is_host(&prefix.with_identifier(1));
        if !is_usable {
            return false;
        }
        let known =
            |own: &&mut OwnAddress| own.source == ConfigSource::RouterAdvertisement && prefix.contains(&own.address);
        if let Some(own) = self.list.iter_mut().find(known) {
            own.preferred_until = lifetime_end(now, lifetimes.preferred_s);
            let (advertised, two_hours) = (lifetime_end(now, lifetimes.valid_s), now + TWO_HOURS);
            if advertised >= two_hours || advertised > own.valid_until {
                own.valid_until = advertised;
            } else if own.valid_until > two_hours {
                own.valid_until = two_hours;
            }
            return false;
        }
        if lifetimes.valid_s == 0 {
            return false;
        }
        let address = prefix.with_identifier(interface_identifier(prefix, self.mac, 0));
        self.add((address, prefix.length), ConfigSource::RouterAdvertisement, lifetimes, now)
    }

    /// Handles a sign that another host has an address whose detection runs: it is removed. One that was made from the
    /// card's address is replaced by another, a few times. Returns the address that was removed; `None` if the address is
    /// not ours or was already unique, which is a conflict that does not end it.
    pub(crate) fn duplicate(&mut self, address: &Ipv6Addr) -> Option<OwnAddress> {
        let index = self.list.iter().position(|own| own.address == *address && own.is_optimistic())?;
        let removed = self.list.remove(index);
        let collisions = removed.collisions + 1;
        if matches!(removed.source, ConfigSource::LinkLocal | ConfigSource::RouterAdvertisement)
            && collisions <= MAX_COLLISIONS
        {
            let prefix = Prefix::new(removed.address, 64);
            let prefix = Prefix::new(prefix.with_identifier(0), 64);
            let address = prefix.with_identifier(interface_identifier(&prefix, self.mac, collisions));
            // There is room, as one was removed.
            self.list.push(OwnAddress { address, detection: Detection::Due, collisions, ..removed }).ok();
        }
        Some(removed)
    }

    /// Removes the addresses of a source.
    pub(crate) fn remove(&mut self, source: ConfigSource) {
        self.list.retain(|own| own.source != source);
    }

    /// Returns the next event that is due at `now`. `wait` is the time for an answer to a solicitation.
    pub(crate) fn poll(&mut self, now: Instant, wait: Duration) -> Option<AddressEvent> {
        if let Some(index) = self.list.iter().position(|own| own.valid_until <= now) {
            return Some(AddressEvent::Expired(self.list.remove(index)));
        }
        for own in &mut self.list {
            match own.detection {
                Detection::Due => {
                    own.detection = Detection::Until(now + wait);
                    return Some(AddressEvent::Detect(own.address));
                }
                Detection::Until(end) if end <= now => {
                    own.detection = Detection::Done;
                    return Some(AddressEvent::Unique(*own));
                }
                _ => {}
            }
        }
        None
    }

    /// Returns a time before which [`poll`](Self::poll) has nothing to do.
    pub(crate) fn deadline(&self) -> Instant {
        let due = |own: &OwnAddress| match own.detection {
            Detection::Due => Instant::ZERO,
            Detection::Until(end) => end.min(own.valid_until),
            Detection::Done => own.valid_until,
        };
        self.list.iter().map(due).min().unwrap_or(NEVER)
    }

    /// Returns the address to send from to `destination` (RFC 6724, 5: rules 1 to 3 and 8; optimistic addresses are as
    /// deprecated ones, RFC 4429, 3.1). `None` without an address, or with a link-local one alone for another link.
    pub(crate) fn source_for(&self, destination: &Ipv6Addr, now: Instant) -> Option<Ipv6Addr> {
        let wanted = scope(destination);
        let rank = |own: &&OwnAddress| {
            let own_scope = scope(&own.address);
            // The smallest scope that reaches the destination, else the largest.
            let by_scope = if own_scope >= wanted { 32 - own_scope } else { own_scope };
            let is_preferred = own.preferred_until > now && !own.is_optimistic();
            let bits = common_bits(&own.address, destination).min(own.prefix_length);
            (own.address == *destination, by_scope, is_preferred, bits)
        };
        let usable = self.list.iter().filter(|own| wanted <= 2 || !is_link_local(&own.address));
        usable.rev().max_by_key(rank).map(|own| own.address)
    }
}

#[cfg(test)]
#[path = "addresses_tests.rs"]
mod tests;
