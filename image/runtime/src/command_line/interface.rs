//! The options `ip=`, `ip1=`, `ip2=`, ...: addresses and routes, one option for each interface.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::ipv6::{Ipv6Word, Ipv6Words};

/// The number of interfaces with an option of their own; those beyond have the default.
pub const MAX_INTERFACE_OPTIONS: usize = 8;

/// The source of an interface's IPv4 address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum AddressSource {
    /// From a DHCP server; link-local (RFC 3927) as long as none answers.
    #[default]
    Dhcp,
    /// From the command line.
    Static {
        /// The address.
        address: Ipv4Addr,
        /// The prefix length in bits, 0 to 32.
        prefix: u8,
        /// The default gateway.
        gateway: Option<Ipv4Addr>,
    },
    /// Link-local (RFC 3927), without DHCP.
    LinkLocal,
    /// None: the interface has no IPv4 address.
    Off,
}

/// A route of the command line: `NET/N>GATEWAY`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct StaticRoute {
    /// The address of the network. Bits beyond the prefix are 0.
    pub destination: IpAddr,
    /// The length of its prefix in bits.
    pub prefix_length: u8,
    /// The router, of the same protocol.
    pub gateway: IpAddr,
}

impl StaticRoute {
    fn parse(word: &str) -> Option<Self> {
        let (network, gateway) = word.split_once('>')?;
        let (destination, prefix) = network.split_once('/')?;
        let prefix_length = prefix.parse().ok()?;
        let host_bits = |bits: u8| u32::from(bits).checked_sub(u32::from(prefix_length));
        let (destination, gateway) = match (destination.parse().ok()?, gateway.parse().ok()?) {
            (IpAddr::V4(network), IpAddr::V4(gateway)) if is_host(gateway) => {
                let mask = u32::MAX.checked_shl(host_bits(32)?).unwrap_or(0);
                (Ipv4Addr::from_bits(network.to_bits() & mask).into(), gateway.into())
            }
            (IpAddr::V6(network), IpAddr::V6(gateway)) if !gateway.is_multicast() && !gateway.is_unspecified() => {
                let mask = u128::MAX.checked_shl(host_bits(128)?).unwrap_or(0);
                (Ipv6Addr::from_bits(network.to_bits() & mask).into(), gateway.into())
            }
            _ => return None,
        };
        Some(Self { destination, prefix_length, gateway })
    }
}

fn is_host(address: Ipv4Addr) -> bool {
    !address.is_unspecified() && !address.is_multicast() && !address.is_broadcast() && !address.is_loopback()
}

/// What the command line has about the addresses and routes of one interface.
///
/// ```
/// use switchboard_runtime::command_line::{AddressSource, parse};
///
/// let options = parse("ip1=10.1.0.2/16,10.1.0.1,172.16.0.0/12>10.1.0.9,off6", |warning| panic!("{warning}"));
/// let interface = options.interfaces[1];
/// let (address, gateway) = ([10, 1, 0, 2].into(), Some([10, 1, 0, 1].into()));
/// assert_eq!(interface.source, AddressSource::Static { address, prefix: 16, gateway });
/// let route = interface.routes().next().expect("a route");
/// assert_eq!((route.prefix_length, route.gateway.to_string()), (12, "10.1.0.9".into()));
/// assert_eq!(options.interfaces[0].source, AddressSource::Dhcp);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct InterfaceOptions<'a> {
    /// The source of the IPv4 address.
    pub source: AddressSource,
    /// What there is about IPv6.
    pub ipv6: Ipv6Words<'a>,
    words: &'a str,
}

impl<'a> InterfaceOptions<'a> {
    /// Parses the value of an option; `None` if a word of it is invalid.
    pub(super) fn parse(words: &'a str) -> Option<Self> {
        let mut source = None;
        for word in words.split(',') {
            if word.contains('>') {
                StaticRoute::parse(word)?;
            } else if Ipv6Words::is_ipv6(word) {
                Ipv6Word::parse(word)?;
            } else {
                source = Some(with_ipv4_word(source, word)?);
            }
        }
        Some(Self { source: source.unwrap_or_default(), ipv6: Ipv6Words::of_checked(words), words })
    }

    /// Returns the static routes, in order.
    pub fn routes(&self) -> impl Iterator<Item = StaticRoute> + use<'a> {
        self.words.split(',').filter_map(StaticRoute::parse)
    }
}

/// Returns what a further word about IPv4 makes of the source; `None` if it is invalid there.
fn with_ipv4_word(source: Option<AddressSource>, word: &str) -> Option<AddressSource> {
    use AddressSource::{Dhcp, LinkLocal, Off, Static};
    match (source, word) {
        (None | Some(LinkLocal), "dhcp") | (Some(Dhcp), "linklocal") => Some(Dhcp),
        (None, "linklocal") => Some(LinkLocal),
        (None, "off4") => Some(Off),
        (None, _) => {
            let (address, prefix) = word.split_once('/')?;
            let address = address.parse().ok()?;
            let prefix = prefix.parse().ok().filter(|prefix| *prefix <= 32)?;
            Some(Static { address, prefix, gateway: None })
        }
        (Some(Static { address, prefix, gateway: None }), _) => {
            Some(Static { address, prefix, gateway: Some(word.parse().ok()?) })
        }
        _ => None,
    }
}

/// Returns the interface whose option has this name: 0 for `ip`, 1 for `ip1`, and so on.
pub(super) fn interface_of(name: &str) -> Option<usize> {
    match name.strip_prefix("ip")?.as_bytes() {
        [] => Some(0),
        [digit @ b'1'..=b'9'] => Some(usize::from(digit - b'0')).filter(|number| *number < MAX_INTERFACE_OPTIONS),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(words: &str) -> Option<AddressSource> {
        InterfaceOptions::parse(words).map(|options| options.source)
    }

    #[test]
    fn sources_of_the_address_exclude_each_other() {
        for (words, expected) in [
            ("dhcp", AddressSource::Dhcp),
            ("dhcp,linklocal", AddressSource::Dhcp),
            ("linklocal,dhcp", AddressSource::Dhcp),
            ("linklocal", AddressSource::LinkLocal),
            ("off4,auto6", AddressSource::Off),
            ("fd00::1/64", AddressSource::Dhcp),
            ("off6,linklocal", AddressSource::LinkLocal),
        ] {
            assert_eq!(source(words), Some(expected), "{words}");
        }
        for words in [
            "",
            "dhcp,",
            "dhcp,off4",
            "dhcp,dhcp",
            "linklocal,10.0.0.1/24",
            "10.0.0.1/24,dhcp",
            "10.0.0.1/24,10.0.0.2/24",
            "10.0.0.1/24,10.0.0.2,10.0.0.3",
            "10.0.0.2,10.0.0.1/24",
            "auto4",
        ] {
            assert_eq!(source(words), None, "{words}");
        }
    }

    #[test]
    fn routes_of_both_protocols_are_parsed() {
        let words = "dhcp,10.9.8.7/8>192.168.0.9,2001:db8:1::5/48>fe80::9,0.0.0.0/0>192.168.0.1";
        let options = InterfaceOptions::parse(words).expect("valid");
        let routes = options.routes().map(|route| (route.destination, route.prefix_length, route.gateway));
        let address = |text: &str| text.parse::<IpAddr>().expect("an address");
        assert!(routes.eq([
            (address("10.0.0.0"), 8, address("192.168.0.9")),
            (address("2001:db8:1::"), 48, address("fe80::9")),
            (address("0.0.0.0"), 0, address("192.168.0.1")),
        ]));
        assert_eq!(options.ipv6.iter().count(), 0);
        for word in [
            "10.0.0.0>10.0.0.1",
            "10.0.0.0/33>10.0.0.1",
            "10.0.0.0/8>",
            "10.0.0.0/8>0.0.0.0",
            "10.0.0.0/8>fe80::1",
            "fd00::/129>fe80::1",
            "fd00::/8>ff02::1",
            ">",
        ] {
            assert_eq!(InterfaceOptions::parse(word), None, "{word}");
        }
    }

    #[test]
    fn names_of_options_count_interfaces() {
        let names = ["ip", "ip1", "ip7", "ip8", "ip0", "ip01", "ip+1", "i", "ip12"];
        let expected = [Some(0), Some(1), Some(7), None, None, None, None, None, None];
        assert_eq!(names.map(interface_of), expected);
    }
}
