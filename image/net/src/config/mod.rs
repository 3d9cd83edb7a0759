//! The configuration of an interface: addresses, routes, and what a network offers beside them.

mod log_changes;
mod parts;
mod routing;

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use switchboard_runtime::command_line::Options;

pub(crate) use self::log_changes::{log_changes, log_limit};
pub(crate) use self::parts::ConfigParts;

/// Where a part of an interface's configuration comes from. In order of precedence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ConfigSource {
    /// The kernel command line.
    CommandLine,
    /// A DHCPv4 server (RFC 2131).
    Dhcp,
    /// The advertisements of IPv6 routers (RFC 4861, 4862, 8106).
    RouterAdvertisement,
    /// A DHCPv6 server (RFC 8415).
    Dhcpv6,
    /// Chosen by this host for its own link alone: IPv4 by RFC 3927, IPv6 by RFC 4862.
    LinkLocal,
}

impl ConfigSource {
    /// All sources, in order of precedence.
    pub const ALL: [Self; 5] =
        [Self::CommandLine, Self::Dhcp, Self::RouterAdvertisement, Self::Dhcpv6, Self::LinkLocal];
}

impl fmt::Display for ConfigSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CommandLine => "command line",
            Self::Dhcp => "dhcp",
            Self::RouterAdvertisement => "router advertisement",
            Self::Dhcpv6 => "dhcpv6",
            Self::LinkLocal => "link-local",
        })
    }
}

/// An address of an interface, with its network. Displays as the address with the length of its prefix.
///
/// ```
/// use switchboard_net::{ConfigSource, InterfaceAddress};
///
/// let address = InterfaceAddress::new([10, 0, 2, 15].into(), 24, ConfigSource::Dhcp);
/// assert_eq!(address.to_string(), "10.0.2.15/24");
/// assert!(!address.is_link_local());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct InterfaceAddress {
    /// The address.
    pub address: IpAddr,
    /// Leading bits that the addresses of its network share.
    pub prefix_length: u8,
    /// Where it comes from.
    pub source: ConfigSource,
}

impl InterfaceAddress {
    /// Creates an address with its network.
    #[must_use]
    pub const fn new(address: IpAddr, prefix_length: u8, source: ConfigSource) -> Self {
        Self { address, prefix_length, source }
    }

    /// Returns whether the address is valid on its link alone (169.254.0.0/16, fe80::/10).
    #[must_use]
    pub const fn is_link_local(&self) -> bool {
        match self.address {
            IpAddr::V4(address) => address.is_link_local(),
            IpAddr::V6(address) => address.is_unicast_link_local(),
        }
    }
}

impl fmt::Display for InterfaceAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix_length)
    }
}

/// A route to a network. Displays as `10.1.0.0/16 by 10.0.2.1`.
///
/// ```
/// use switchboard_net::Route;
///
/// let route = Route::new([10, 1, 0, 0].into(), 16, Some([10, 0, 2, 1].into()));
/// assert_eq!(route.to_string(), "10.1.0.0/16 by 10.0.2.1");
/// assert!(!route.is_default());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Route {
    /// The address of the network, whose bits beyond the prefix are 0.
    pub destination: IpAddr,
    /// The length of its prefix in bits; 0 for the default route.
    pub prefix_length: u8,
    /// The router, which is on the link; `None` when the network itself is on the link.
    pub gateway: Option<IpAddr>,
}

impl Route {
    /// Creates a route.
    #[must_use]
    pub const fn new(destination: IpAddr, prefix_length: u8, gateway: Option<IpAddr>) -> Self {
        Self { destination, prefix_length, gateway }
    }

    /// Creates the default route of the gateway's protocol.
    #[must_use]
    pub const fn default_by(gateway: IpAddr) -> Self {
        let destination = match gateway {
            IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        Self::new(destination, 0, Some(gateway))
    }

    /// Returns whether this is the route to all networks that have none of their own.
    #[must_use]
    pub const fn is_default(&self) -> bool {
        self.prefix_length == 0
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.destination, self.prefix_length)?;
        match self.gateway {
            Some(gateway) => write!(f, " by {gateway}"),
            None => f.write_str(" on the link"),
        }
    }
}

/// The configuration of an interface, from all its sources or from one of them.
///
/// ```
/// use switchboard_net::{ConfigSource, InterfaceAddress, InterfaceConfig, Route};
///
/// let config = InterfaceConfig::default()
///     .with_address(InterfaceAddress::new([10, 0, 2, 15].into(), 24, ConfigSource::Dhcp))
///     .with_route(Route::default_by([10, 0, 2, 2].into()));
/// assert_eq!(config.ipv4_address().expect("it has one").to_string(), "10.0.2.15/24");
/// assert_eq!(config.ipv4_gateway(), Some([10, 0, 2, 2].into()));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct InterfaceConfig {
    /// The addresses, the preferred one of each protocol first.
    pub addresses: Vec<InterfaceAddress>,
    /// The routes, beside those to the networks of the addresses. Of several to one network the first is used.
    pub routes: Vec<Route>,
    /// DNS servers, in the order in which they are asked.
    pub dns_servers: Vec<IpAddr>,
    /// Domains that are appended to names without a dot, in order, without a dot at the end.
    pub search_domains: Vec<String>,
    /// NTP servers, in order.
    pub ntp_servers: Vec<IpAddr>,
    /// The host name, without a domain.
    pub hostname: Option<String>,
    /// The length of the longest IP packet on the link in bytes, where it is less than the card's.
    pub mtu: Option<u16>,
}

impl InterfaceConfig {
    /// Adds an address after the others.
    #[must_use]
    pub fn with_address(mut self, address: InterfaceAddress) -> Self {
        self.addresses.push(address);
        self
    }

    /// Adds a route after the others.
    #[must_use]
    pub fn with_route(mut self, route: Route) -> Self {
        self.routes.push(route);
        self
    }

    /// Returns what the options of a command line contribute, but for addresses and routes.
    pub(crate) fn from_options(options: &Options<'_>) -> Self {
        Self {
            dns_servers: options.dns_servers.iter().collect(),
            search_domains: options.search_domains.iter().map(String::from).collect(),
            ntp_servers: options.ntp_servers.iter().collect(),
            hostname: Some(options.hostname).filter(|name| !name.is_empty()).map(String::from),
            ..Self::default()
        }
    }

    /// Returns the preferred IPv4 address.
    #[must_use]
    pub fn ipv4_address(&self) -> Option<InterfaceAddress> {
        self.addresses.iter().find(|address| address.address.is_ipv4()).copied()
    }

    /// Returns the router of the IPv4 default route.
    #[must_use]
    pub fn ipv4_gateway(&self) -> Option<Ipv4Addr> {
        self.routes.iter().filter(|route| route.is_default()).find_map(|route| match route.gateway {
            Some(IpAddr::V4(gateway)) => Some(gateway),
            _ => None,
        })
    }

    /// Returns whether there is an address that is valid beyond the link.
    #[must_use]
    pub fn is_routable(&self) -> bool {
        self.addresses.iter().any(|address| !address.is_link_local())
    }

    /// Returns whether peers reach this host: it has an IPv4 address, also a link-local one, or an IPv6 address beyond the
    /// link-local one.
    #[must_use]
    pub fn is_reachable(&self) -> bool {
        self.addresses.iter().any(|address| address.address.is_ipv4() || !address.is_link_local())
    }
}
