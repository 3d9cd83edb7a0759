//! Which of a machine's interfaces leads to an address.

use core::net::IpAddr;

use super::{InterfaceConfig, Route};

/// Returns whether the first bits of two addresses of one protocol are the same.
fn is_within(address: IpAddr, network: IpAddr, prefix_length: u8) -> bool {
    let (difference, bits) = match (address, network) {
        (IpAddr::V4(a), IpAddr::V4(b)) => (u128::from(a.to_bits() ^ b.to_bits()), 32),
        (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits() ^ b.to_bits(), 128),
        _ => return false,
    };
    let host_bits = bits - u32::from(prefix_length).min(bits);
    difference.checked_shr(host_bits).unwrap_or(0) == 0
}

fn is_link_local(address: &IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    }
}

impl InterfaceConfig {
    /// Returns the prefix length of the best route to `destination`: that of a network on the link, or of a route; 0 for
    /// the default route. `None` without a route, or without an address to send from.
    ///
    /// ```
    /// use switchboard_net::{ConfigSource, InterfaceAddress, InterfaceConfig, Route};
    ///
    /// let config = InterfaceConfig::default()
    ///     .with_address(InterfaceAddress::new([10, 0, 2, 15].into(), 24, ConfigSource::Dhcp))
    ///     .with_route(Route::default_by([10, 0, 2, 2].into()));
    /// assert_eq!(config.route_to([10, 0, 2, 99].into()), Some(24));
    /// assert_eq!(config.route_to([192, 0, 2, 1].into()), Some(0));
    /// assert_eq!(config.route_to("2001:db8::1".parse()?), None);
    /// # Ok::<_, core::net::AddrParseError>(())
    /// ```
    #[must_use]
    pub fn route_to(&self, destination: IpAddr) -> Option<u8> {
        let is_usable = |own: IpAddr| {
            // Beyond the link only an IPv4 address may be link-local, where a route has it.
            own.is_ipv4() == destination.is_ipv4()
                && (own.is_ipv4() || is_link_local(&destination) || !is_link_local(&own))
        };
        if !self.addresses.iter().any(|own| is_usable(own.address)) {
            return None;
        }
        let on_link = self.addresses.iter().filter(|own| is_within(destination, own.address, own.prefix_length));
        let routed = self.routes.iter().filter(|Route { destination: network, prefix_length, .. }| {
            is_within(destination, *network, *prefix_length)
        });
        on_link.map(|own| own.prefix_length).chain(routed.map(|route| route.prefix_length)).max()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{ConfigSource, InterfaceAddress};

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    fn own(text: &str, prefix_length: u8) -> InterfaceAddress {
        InterfaceAddress::new(address(text), prefix_length, ConfigSource::CommandLine)
    }

    #[test]
    fn the_longest_prefix_counts() {
        let config = InterfaceConfig::default()
            .with_address(own("10.0.0.7", 24))
            .with_route(Route::default_by(address("10.0.0.1")))
            .with_route(Route::new(address("10.9.0.0"), 16, Some(address("10.0.0.2"))));
        for (destination, expected) in [
            ("10.0.0.200", Some(24)),
            ("10.9.1.1", Some(16)),
            ("8.8.8.8", Some(0)),
            ("fe80::1", None),
            ("2001:db8::1", None),
        ] {
            assert_eq!(config.route_to(address(destination)), expected, "{destination}");
        }
    }

    #[test]
    fn a_link_local_address_reaches_only_its_link() {
        let config = InterfaceConfig::default()
            .with_address(own("fe80::7", 64))
            .with_address(own("169.254.3.3", 16))
            .with_route(Route::default_by(address("fe80::1")));
        assert_eq!(config.route_to(address("fe80::9")), Some(64));
        assert_eq!(config.route_to(address("2001:db8::1")), None);
        assert_eq!(config.route_to(address("169.254.9.9")), Some(16));
        assert_eq!(config.route_to(address("10.0.0.1")), None);
        let config = config.with_address(own("2001:db8:1::7", 128));
        assert_eq!(config.route_to(address("2001:db8::1")), Some(0));
        assert_eq!(InterfaceConfig::default().route_to(address("10.0.0.1")), None);
    }
}
