//! Messages of neighbour discovery (RFC 4861): parsed with the checks of sections 6.1 and 7.1, and written.

use core::net::Ipv6Addr;

use super::address::{is_host, is_unicast_mac};
use super::frame::{address_at, u16_at, u32_at};

pub(crate) const ROUTER_SOLICITATION: u8 = 133;
pub(crate) const ROUTER_ADVERTISEMENT: u8 = 134;
pub(crate) const NEIGHBOR_SOLICITATION: u8 = 135;
pub(crate) const NEIGHBOR_ADVERTISEMENT: u8 = 136;
pub(crate) const REDIRECT: u8 = 137;

const SOURCE_LINK_LAYER: u8 = 1;
const TARGET_LINK_LAYER: u8 = 2;

/// A valid message.
#[derive(Debug)]
pub(crate) enum Message<'a> {
    Solicitation { target: Ipv6Addr, source_mac: Option<[u8; 6]> },
    Advertisement(Advertisement),
    RouterAdvertisement(RouterAdvertisement<'a>),
    Redirect,
}

/// A neighbour advertisement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Advertisement {
    pub(crate) target: Ipv6Addr,
    pub(crate) mac: Option<[u8; 6]>,
    pub(crate) is_router: bool,
    pub(crate) is_solicited: bool,
    pub(crate) is_override: bool,
}

/// A router advertisement; its options are read one by one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RouterAdvertisement<'a> {
    /// Of packets to send; 0 for any.
    pub(crate) hop_limit: u8,
    /// Addresses are from DHCPv6.
    pub(crate) is_managed: bool,
    /// Other configuration is from DHCPv6.
    pub(crate) has_other: bool,
    /// -1, 0 or 1 (RFC 4191, 2.1).
    pub(crate) preference: i8,
    pub(crate) lifetime_s: u16,
    pub(crate) reachable_ms: u32,
    pub(crate) retransmit_ms: u32,
    pub(crate) options: Options<'a>,
}

/// The options of a message: their type, and all their bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Options<'a>(&'a [u8]);

impl<'a> Iterator for Options<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (kind, length) = (*self.0.first()?, usize::from(*self.0.get(1)?) * 8);
        if length == 0 {
            return None;
        }
        let (option, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some((kind, option))
    }
}

impl<'a> Options<'a> {
    /// Returns the options if each has a valid length, and all end with the message (RFC 4861, 4.6).
    fn of(bytes: &'a [u8]) -> Option<Self> {
        let covered: usize = Self(bytes).map(|(_, option)| option.len()).sum();
        (covered == bytes.len()).then_some(Self(bytes))
    }

    /// Returns the Ethernet address of an option; an invalid one is none.
    fn mac(mut self, wanted: u8) -> Option<[u8; 6]> {
        let (_, option) = self.find(|(kind, _)| *kind == wanted)?;
        option.get(2..)?.first_chunk::<6>().copied().filter(|mac| is_unicast_mac(*mac))
    }

    /// Returns the Ethernet address of the sender.
    pub(crate) fn source_mac(self) -> Option<[u8; 6]> {
        self.mac(SOURCE_LINK_LAYER)
    }
}

/// Returns the preference in bits 3 and 4 of a byte; the reserved value is medium (RFC 4191, 2.2).
pub(crate) fn preference(byte: u8) -> i8 {
    match byte >> 3 & 3 {
        0b01 => 1,
        0b11 => -1,
        _ => 0,
    }
}

impl<'a> Message<'a> {
    /// Parses an ICMPv6 message of neighbour discovery whose checksum is right; `None` for one that is invalid or not for
    /// hosts. A hop limit below 255 means that it came through a router.
    pub(crate) fn parse(source: Ipv6Addr, destination: Ipv6Addr, hop_limit: u8, message: &'a [u8]) -> Option<Self> {
        if hop_limit != 255 || *message.get(1)? != 0 {
            return None;
        }
        let flags = *message.get(4)?;
        match *message.first()? {
            NEIGHBOR_SOLICITATION => {
                let target = address_at(message, 8).filter(is_host)?;
                let options = Options::of(message.get(24..)?)?;
                let source_mac = options.source_mac();
                let is_probe = source.is_unspecified();
                // Duplicate address detection goes to the solicited-node group and has no link-layer address (7.1.1).
                if is_probe && (source_mac.is_some() || destination != super::address::solicited_node(&target)) {
                    return None;
                }
                Some(Self::Solicitation { target, source_mac })
            }
            NEIGHBOR_ADVERTISEMENT => {
                let target = address_at(message, 8).filter(is_host)?;
                let options = Options::of(message.get(24..)?)?;
                let (is_router, is_solicited) = (flags & 0x80 != 0, flags & 0x40 != 0);
                if is_solicited && destination.is_multicast() {
                    return None;
                }
                let (mac, is_override) = (options.mac(TARGET_LINK_LAYER), flags & 0x20 != 0);
                Some(Self::Advertisement(Advertisement { target, mac, is_router, is_solicited, is_override }))
            }
            ROUTER_ADVERTISEMENT if super::address::is_link_local(&source) => {
                let options = Options::of(message.get(16..)?)?;
                let flags = message[5];
                Some(Self::RouterAdvertisement(RouterAdvertisement {
                    hop_limit: *message.get(4)?,
                    is_managed: flags & 0x80 != 0,
                    has_other: flags & 0x40 != 0,
                    preference: preference(flags),
                    lifetime_s: u16_at(message, 6)?,
                    reachable_ms: u32_at(message, 8)?,
                    retransmit_ms: u32_at(message, 12)?,
                    options,
                }))
            }
            REDIRECT => Some(Self::Redirect),
            _ => None,
        }
    }
}

/// A message of neighbour discovery that is sent: at most a neighbour message with one option.
pub(crate) type Outgoing = heapless::Vec<u8, 32>;

/// Returns a neighbour solicitation; without `source_mac`, one that detects duplicates.
pub(crate) fn solicitation(target: &Ipv6Addr, source_mac: Option<[u8; 6]>) -> Outgoing {
    let mac = source_mac.map(|mac| (SOURCE_LINK_LAYER, mac));
    message(&[NEIGHBOR_SOLICITATION, 0, 0, 0, 0, 0, 0, 0], Some(target), mac)
}

/// Returns a neighbour advertisement.
pub(crate) fn advertisement(target: &Ipv6Addr, mac: [u8; 6], is_solicited: bool, is_override: bool) -> Outgoing {
    let flags = u8::from(is_solicited) << 6 | u8::from(is_override) << 5;
    message(&[NEIGHBOR_ADVERTISEMENT, 0, 0, 0, flags, 0, 0, 0], Some(target), Some((TARGET_LINK_LAYER, mac)))
}

/// Returns a router solicitation.
pub(crate) fn router_solicitation(source_mac: Option<[u8; 6]>) -> Outgoing {
    message(&[ROUTER_SOLICITATION, 0, 0, 0, 0, 0, 0, 0], None, source_mac.map(|mac| (SOURCE_LINK_LAYER, mac)))
}

fn message(header: &[u8; 8], target: Option<&Ipv6Addr>, mac: Option<(u8, [u8; 6])>) -> Outgoing {
    let (mut message, mut push) = (Outgoing::new(), true);
    push &= message.extend_from_slice(header).is_ok();
    if let Some(target) = target {
        push &= message.extend_from_slice(&target.octets()).is_ok();
    }
    if let Some((kind, mac)) = mac {
        push &= message.extend_from_slice(&[kind, 1]).is_ok() && message.extend_from_slice(&mac).is_ok();
    }
    debug_assert!(push, "a message has at most 32 bytes");
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);
    const THEIRS: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 2);

    #[test]
    fn solicitations_are_checked_as_section_7_1_1_has_it() {
        let group = super::super::address::solicited_node(&OURS);
        let whole = solicitation(&OURS, Some([2; 6]));
        let parse = |source, hop_limit, message: &[u8]| {
            matches!(Message::parse(source, group, hop_limit, message), Some(Message::Solicitation { .. }))
        };
        assert!(parse(THEIRS, 255, &whole));
        assert!(!parse(THEIRS, 254, &whole), "it came through a router");
        assert!(!parse(Ipv6Addr::UNSPECIFIED, 255, &whole), "a probe has no link-layer address");
        assert!(parse(Ipv6Addr::UNSPECIFIED, 255, &solicitation(&OURS, None)));
        let mut bent = whole.clone();
        bent[25] = 0;
        assert!(!parse(THEIRS, 255, &bent), "an option without a length");
        bent[25] = 2;
        assert!(!parse(THEIRS, 255, &bent), "an option behind the end");
        for length in (0..whole.len()).filter(|length| *length != 24) {
            assert!(!parse(THEIRS, 255, &whole[..length]), "{length} bytes");
        }
        assert!(!parse(THEIRS, 255, &solicitation(&group, Some([2; 6]))), "a multicast target");
    }

    #[test]
    fn advertisements_keep_their_flags_and_solicited_ones_are_not_multicast() {
        let whole = advertisement(&THEIRS, [4; 6], true, true);
        let Some(Message::Advertisement(parsed)) = Message::parse(THEIRS, OURS, 255, &whole) else {
            panic!("it is valid")
        };
        assert!(parsed.is_solicited && parsed.is_override && !parsed.is_router);
        assert_eq!((parsed.target, parsed.mac), (THEIRS, Some([4; 6])));
        assert!(Message::parse(THEIRS, super::super::address::ALL_NODES, 255, &whole).is_none());
    }

    #[test]
    fn router_advertisements_are_of_link_local_routers() {
        let message = [134, 0, 0, 0, 64, 0xc8, 7, 8, 0, 0, 0, 1, 0, 0, 0, 2, 5, 1, 0, 0, 0, 0, 5, 0];
        let Some(Message::RouterAdvertisement(parsed)) = Message::parse(THEIRS, OURS, 255, &message) else {
            panic!("it is valid")
        };
        assert!(parsed.is_managed && parsed.has_other);
        assert_eq!((parsed.preference, parsed.lifetime_s, parsed.reachable_ms, parsed.retransmit_ms), (1, 1800, 1, 2));
        assert_eq!(parsed.options.count(), 1);
        assert!(Message::parse(Ipv6Addr::LOCALHOST, OURS, 255, &message).is_none());
    }
}
