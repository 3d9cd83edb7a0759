//! What routers advertise beside routes and prefixes: DNS servers, search domains, the MTU and the hop limit (RFC 8106;
//! RFC 4861, 4.2 and 4.6.4).

use alloc::string::String;
use alloc::vec::Vec;
use core::net::Ipv6Addr;
use core::num::NonZero;

use smoltcp::time::Instant;

use super::frame::{address_at, u32_at};
use super::names::names;
use super::routers::lifetime_end;
use crate::ipv6::NEVER;
use crate::link::ipv4::TIME_TO_LIVE;

/// Servers and domains that are kept of each (RFC 8106, 5.3.1: at least three).
const MAX: usize = 6;

/// What routers advertise, with the end of each lifetime.
#[derive(Debug, Default)]
pub(crate) struct Advertised {
    servers: Vec<(Ipv6Addr, Instant)>,
    domains: Vec<(String, Instant)>,
    pub(crate) mtu: Option<u16>,
    /// The hop limit of packets to send.
    hop_limit: Option<NonZero<u8>>,
}

impl Advertised {
    /// Takes an option with DNS servers.
    pub(crate) fn set_servers(&mut self, option: &[u8], now: Instant) {
        let Some(lifetime_s) = u32_at(option, 4) else { return };
        for offset in (8..option.len()).step_by(16) {
            let Some(server) = address_at(option, offset).filter(super::address::is_host) else { return };
            set(&mut self.servers, server, lifetime_end(now, lifetime_s), now);
        }
    }

    /// Takes an option with search domains.
    pub(crate) fn set_domains(&mut self, option: &[u8], now: Instant) {
        let Some(lifetime_s) = u32_at(option, 4) else { return };
        for domain in names(&option[8..]) {
            set(&mut self.domains, domain, lifetime_end(now, lifetime_s), now);
        }
    }

    /// Takes an option with the MTU of the link, if a link can have it.
    pub(crate) fn set_mtu(&mut self, option: &[u8], card_mtu: usize) {
        let mtu = u32_at(option, 4).and_then(|mtu| u16::try_from(mtu).ok());
        if let Some(mtu) = mtu.filter(|mtu| (super::frame::MIN_MTU..=card_mtu).contains(&usize::from(*mtu))) {
            self.mtu = Some(mtu).filter(|mtu| usize::from(*mtu) < card_mtu);
        }
    }

    /// Takes the hop limit of an advertisement; 0 leaves it as it is (RFC 4861, 6.3.4).
    pub(crate) fn set_hop_limit(&mut self, hop_limit: u8) {
        self.hop_limit = NonZero::new(hop_limit).or(self.hop_limit);
    }

    /// Returns the hop limit of packets to send.
    #[inline]
    pub(crate) fn hop_limit(&self) -> u8 {
        self.hop_limit.map_or(TIME_TO_LIVE, NonZero::get)
    }

    /// Forgets the hop limit: the next link may have another router.
    pub(crate) fn link_changed(&mut self) {
        self.hop_limit = None;
    }

    pub(crate) fn servers(&self) -> impl Iterator<Item = Ipv6Addr> + '_ {
        self.servers.iter().map(|(server, _)| *server)
    }

    pub(crate) fn domains(&self) -> impl Iterator<Item = String> + '_ {
        self.domains.iter().map(|(domain, _)| domain.clone())
    }

    /// Removes what has ended. Returns whether there was something.
    pub(crate) fn expire(&mut self, now: Instant) -> bool {
        let before = self.servers.len() + self.domains.len();
        self.servers.retain(|(_, end)| *end > now);
        self.domains.retain(|(_, end)| *end > now);
        self.servers.len() + self.domains.len() != before
    }

    /// Returns when something ends.
    pub(crate) fn deadline(&self) -> Instant {
        let ends = self.servers.iter().map(|(_, end)| *end).chain(self.domains.iter().map(|(_, end)| *end));
        ends.min().unwrap_or(NEVER)
    }
}

/// Adds or renews an entry; one whose lifetime is 0 is removed. A full list replaces what ends first.
fn set<T: PartialEq>(list: &mut Vec<(T, Instant)>, item: T, end: Instant, now: Instant) {
    if let Some(entry) = list.iter_mut().find(|(other, _)| *other == item) {
        entry.1 = end;
    } else if end > now {
        if list.len() >= MAX {
            let first = list.iter().enumerate().min_by_key(|(_, (_, end))| *end).map(|(index, _)| index);
            first.map(|index| list.remove(index));
        }
        list.push((item, end));
    }
    list.retain(|(_, end)| *end > now);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn servers(numbers: core::ops::Range<u16>, lifetime_s: u32) -> Vec<u8> {
        let mut option = [25, 0, 0, 0].to_vec();
        option.extend(lifetime_s.to_be_bytes());
        numbers.for_each(|n| option.extend(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, n).octets()));
        option
    }

    #[test]
    fn servers_and_domains_last_for_their_lifetimes() {
        let mut advertised = Advertised::default();
        let now = Instant::from_secs(1000);
        advertised.set_servers(&servers(1..3, 60), now);
        advertised.set_domains(b"\x1f\x02\x00\x00\x00\x00\x00\x1e\x03lan\x00\x00\x00\x00", now);
        assert_eq!((advertised.servers().count(), advertised.domains().next().as_deref()), (2, Some("lan")));
        assert_eq!(advertised.deadline(), Instant::from_secs(1030));
        assert!(advertised.expire(Instant::from_secs(1030)));
        assert_eq!((advertised.servers().count(), advertised.domains().count()), (2, 0));
        advertised.set_servers(&servers(1..2, 0), now);
        assert_eq!(advertised.servers().next().map(|server| server.octets()[15]), Some(2));
        advertised.set_servers(&servers(1..100, 60), now);
        assert_eq!(advertised.servers().count(), MAX);
        advertised.set_servers(&[25, 1], now);
    }

    #[test]
    fn mtus_that_a_link_cannot_have_are_ignored() {
        let mut advertised = Advertised::default();
        for (mtu, expected) in [(0, None), (1279, None), (1280, Some(1280)), (9000, Some(1280)), (1500, None)] {
            let option = [&[5, 1, 0, 0][..], &u32::to_be_bytes(mtu)].concat();
            advertised.set_mtu(&option, 1500);
            assert_eq!(advertised.mtu, expected, "{mtu}");
        }
    }
}
