//! IPv6 addresses by their kind: scopes, multicast groups, prefixes and interface identifiers (RFC 4291).

use core::net::Ipv6Addr;

/// All nodes of the link.
pub(crate) const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
/// All routers of the link.
pub(crate) const ALL_ROUTERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2);
/// All routers that understand version 2 of multicast listener discovery (RFC 3810, 5.2.14).
pub(crate) const ALL_MLDV2_ROUTERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x16);
/// All DHCPv6 relays and servers of the link (RFC 8415, 7.1).
pub(crate) const ALL_DHCP_SERVERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 1, 2);

/// The prefix of link-local addresses.
pub(crate) const LINK_LOCAL: Prefix = Prefix { address: Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), length: 64 };

/// Returns whether an address is of the link only.
pub(crate) fn is_link_local(address: &Ipv6Addr) -> bool {
    address.segments()[0] & 0xffc0 == 0xfe80
}

/// Returns whether an address can be that of one host: neither multicast nor unspecified nor loopback.
pub(crate) fn is_host(address: &Ipv6Addr) -> bool {
    !address.is_multicast() && !address.is_unspecified() && !address.is_loopback()
}

/// Returns the scope of an address, by the numbers of multicast scopes (RFC 6724, 3.1).
pub(crate) fn scope(address: &Ipv6Addr) -> u8 {
    let segments = address.segments();
    match address {
        _ if address.is_multicast() => address.octets()[1] & 0xf,
        _ if is_link_local(address) || address.is_loopback() => 2,
        _ if segments[0] & 0xffc0 == 0xfec0 => 5,
        _ => 14,
    }
}

/// Returns the multicast group in which the owner of an address is asked for its Ethernet address (RFC 4291, 2.7.1).
pub(crate) fn solicited_node(address: &Ipv6Addr) -> Ipv6Addr {
    let octets = address.octets();
    let low = u16::from_be_bytes([octets[14], octets[15]]);
    Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00 | u16::from(octets[13]), low)
}

/// Returns the Ethernet address of a multicast group (RFC 2464, 7).
pub(crate) fn multicast_mac(group: &Ipv6Addr) -> [u8; 6] {
    let octets = group.octets();
    [0x33, 0x33, octets[12], octets[13], octets[14], octets[15]]
}

/// Returns whether an Ethernet address can be that of one card.
pub(crate) fn is_unicast_mac(mac: [u8; 6]) -> bool {
    mac[0] & 1 == 0 && mac != [0; 6]
}

/// The first bits of an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Prefix {
    pub(crate) address: Ipv6Addr,
    /// In bits, at most 128.
    pub(crate) length: u8,
}

impl Prefix {
    pub(crate) fn new(address: Ipv6Addr, length: u8) -> Self {
        Self { address, length: length.min(128) }
    }

    pub(crate) fn contains(&self, address: &Ipv6Addr) -> bool {
        common_bits(&self.address, address) >= self.length
    }

    /// Returns the address with this prefix of 64 bits and an interface identifier.
    pub(crate) fn with_identifier(&self, identifier: u64) -> Ipv6Addr {
        Ipv6Addr::from_bits(self.address.to_bits() & !u128::from(u64::MAX) | u128::from(identifier))
    }
}

/// Returns how many of the first bits of two addresses are equal.
pub(crate) fn common_bits(first: &Ipv6Addr, second: &Ipv6Addr) -> u8 {
    u8::try_from((first.to_bits() ^ second.to_bits()).leading_zeros()).unwrap_or(128)
}

/// Returns the interface identifier of a card: its modified EUI-64 (RFC 4291, appendix A). When `collisions` earlier ones
/// were in use by others, an opaque one that is the same at the next start (RFC 7217, 5 and 6).
pub(crate) fn interface_identifier(prefix: &Prefix, mac: [u8; 6], collisions: u8) -> u64 {
    let [a, b, c, d, e, f] = mac;
    let modified_eui = u64::from_be_bytes([a ^ 2, b, c, 0xff, 0xfe, d, e, f]);
    if collisions == 0 {
        return modified_eui;
    }
    let network = prefix.address.to_bits() >> 64;
    let network = u64::try_from(network).unwrap_or_default();
    // The finaliser of SplitMix64 mixes all bits.
    let mut value = network ^ modified_eui.rotate_left(17) ^ u64::from(collisions) << 56;
    for _ in 0..2 {
        value = (value ^ value >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        value = (value ^ value >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        value ^= value >> 31;
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Ipv6Addr {
        text.parse().expect("an address")
    }

    #[test]
    fn groups_and_identifiers_are_those_of_the_rfcs() {
        let ours = address("2001:db8::1:800:200e:8c6c");
        assert_eq!(solicited_node(&ours), address("ff02::1:ff0e:8c6c"));
        assert_eq!(multicast_mac(&solicited_node(&ours)), [0x33, 0x33, 0xff, 0x0e, 0x8c, 0x6c]);
        let identifier = interface_identifier(&LINK_LOCAL, [0x52, 0x54, 0, 0x12, 0x34, 0x56], 0);
        assert_eq!(LINK_LOCAL.with_identifier(identifier), address("fe80::5054:ff:fe12:3456"));
        let second = interface_identifier(&LINK_LOCAL, [0x52, 0x54, 0, 0x12, 0x34, 0x56], 1);
        assert_ne!(second, identifier);
    }

    #[test]
    fn scopes_and_prefixes_are_compared_by_bits() {
        assert_eq!(
            ["ff02::1", "fe80::1", "fec0::2", "2001:db8::1", "fd00::1"].map(|text| scope(&address(text))),
            [2, 2, 5, 14, 14]
        );
        let prefix = Prefix::new(address("2001:db8:0:8000::"), 49);
        assert!(prefix.contains(&address("2001:db8:0:8001::1")) && !prefix.contains(&address("2001:db8::1")));
        assert!(Prefix::new(address("::"), 0).contains(&address("2001:db8::1")));
        assert_eq!(common_bits(&address("::1"), &address("::1")), 128);
    }
}
