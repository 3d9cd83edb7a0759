//! The resolver by the trait of `embedded-nal-async`, for clients of the ecosystem.

use core::net::IpAddr;

use embedded_nal_async::AddrType;

use super::error::ResolveError;
use super::resolver::Resolver;

/// ```
/// use embedded_nal_async::{AddrType, Dns};
/// use switchboard_net::Resolver;
/// use switchboard_net_testing::TestNetwork;
///
/// let mut network = TestNetwork::new();
/// let resolver = Resolver::new(network.stack());
/// let address = network.wait(async move { resolver.get_host_by_name("localhost", AddrType::IPv6).await });
/// assert_eq!(address, Ok("::1".parse().unwrap()));
/// ```
impl embedded_nal_async::Dns for Resolver {
    type Error = ResolveError;

    async fn get_host_by_name(&self, host: &str, addr_type: AddrType) -> Result<IpAddr, ResolveError> {
        let address = match addr_type {
            AddrType::IPv4 => self.lookup_ipv4(host).await?.first().copied().map(IpAddr::V4),
            AddrType::IPv6 => self.lookup_ipv6(host).await?.first().copied().map(IpAddr::V6),
            AddrType::Either => self.lookup(host).await?.first().copied(),
        };
        address.ok_or(ResolveError::NoAddress)
    }

    async fn get_host_by_address(&self, addr: IpAddr, result: &mut [u8]) -> Result<usize, ResolveError> {
        let name = self.reverse_lookup(addr).await?;
        let buffer = result.get_mut(..name.len()).ok_or(ResolveError::BufferTooSmall)?;
        buffer.copy_from_slice(name.as_bytes());
        Ok(name.len())
    }
}
