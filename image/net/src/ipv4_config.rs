//! The IPv4 configuration of an interface.

use core::fmt;
use core::net::Ipv4Addr;

/// An IPv4 address with its network, and the default gateway. Displays as the address with the length of its prefix.
///
/// ```
/// use switchboard_net::Ipv4Config;
///
/// let config = Ipv4Config::new([10, 0, 2, 15].into(), 24).with_gateway([10, 0, 2, 2].into());
/// assert_eq!(config.to_string(), "10.0.2.15/24");
/// assert_eq!(config.gateway.map(|gateway| gateway.to_string()).as_deref(), Some("10.0.2.2"));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ipv4Config {
    /// The address of the interface.
    pub address: Ipv4Addr,
    /// Leading bits that the addresses of its network share, 0 to 32.
    pub prefix_length: u8,
    /// The router for all other networks.
    pub gateway: Option<Ipv4Addr>,
}

impl Ipv4Config {
    /// Creates a configuration without a gateway.
    #[must_use]
    pub const fn new(address: Ipv4Addr, prefix_length: u8) -> Self {
        Self { address, prefix_length, gateway: None }
    }

    /// Sets the default gateway.
    #[must_use]
    pub const fn with_gateway(mut self, gateway: Ipv4Addr) -> Self {
        self.gateway = Some(gateway);
        self
    }
}

impl fmt::Display for Ipv4Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix_length)
    }
}
