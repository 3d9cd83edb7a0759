//! Which hosts answer ARP requests and neighbour solicitations.

use core::net::{IpAddr, Ipv6Addr};
use std::collections::HashMap;

use super::frame::Frame;
use super::packet::{ARP, IPV6, Mac, arp, ethernet, icmpv6};

/// Types of `ICMPv6` (RFC 4861, 4.3 and 4.4).
const NEIGHBOUR_SOLICITATION: u8 = 135;
const NEIGHBOUR_ADVERTISEMENT: u8 = 136;

/// The addresses that are answered for.
#[derive(Debug, Default)]
pub(super) struct Neighbours {
    macs: HashMap<IpAddr, Mac>,
}

impl Neighbours {
    pub(super) fn set(&mut self, address: IpAddr, mac: Option<Mac>) {
        match mac {
            Some(mac) => self.macs.insert(address, mac),
            None => self.macs.remove(&address),
        };
    }

    pub(super) fn mac_of(&self, address: IpAddr) -> Option<Mac> {
        self.macs.get(&address).copied()
    }

    /// Returns the answer to a request for one of the addresses.
    pub(super) fn answer(&self, frame: &Frame) -> Option<Vec<u8>> {
        if let Some(request) = frame.arp() {
            let mac = self.mac_of(request.target.into()).filter(|_| request.operation == 1)?;
            let message = arp(2, (mac, request.target), (request.sender_mac, request.sender));
            return Some(ethernet(request.sender_mac, mac, ARP, &message));
        }
        let (NEIGHBOUR_SOLICITATION, 0, rest) = frame.icmp()? else { return None };
        let IpAddr::V6(sender) = frame.ip?.source else { return None };
        let target: [u8; 16] = rest.get(4..20)?.try_into().ok()?;
        let target = Ipv6Addr::from(target);
        let mac = self.mac_of(target.into())?;
        // Solicited unless the sender has no address yet (RFC 4861, 7.2.4); the address overrides what is cached.
        let (flags, receiver, destination) = match sender.is_unspecified() {
            true => (0x20, Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1), [0x33, 0x33, 0, 0, 0, 1]),
            false => (0x60, sender, frame.source),
        };
        let options = [&target.octets()[..], &[2, 1], &mac].concat();
        let message = icmpv6(target, receiver, NEIGHBOUR_ADVERTISEMENT, 0, [flags, 0, 0, 0], &options);
        Some(ethernet(destination, mac, IPV6, &message))
    }
}
