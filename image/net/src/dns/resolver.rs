//! The resolver: addresses of names and names of addresses, in which domains, and what is known without a query.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use embassy_futures::join::join;

use super::candidates::{candidates, is_local, is_localhost, is_name};
use super::error::ResolveError;
use super::message::{RecordType, Records};
use super::reverse::reverse_name;
use crate::stack::Stack;

/// Resolves names of hosts by the DNS servers of an interface, in its search domains, and those in `local` by multicast.
///
/// Answers are cached for their time, also that there is none; all resolvers of a stack share the cache.
///
/// ```
/// use switchboard_net::{ResolveError, Resolver};
/// use switchboard_net_testing::TestNetwork;
///
/// let mut network = TestNetwork::new();
/// let resolver = Resolver::new(network.stack());
/// let address = network.wait(async move {
///     assert_eq!(resolver.lookup("no name").await, Err(ResolveError::InvalidName));
///     resolver.lookup_ipv4("localhost").await
/// });
/// assert_eq!(address, Ok(vec![[127, 0, 0, 1].into()]));
/// ```
#[derive(Clone)]
pub struct Resolver {
    pub(super) stack: Stack,
}

impl Resolver {
    /// Creates a resolver with the configuration of the stack's interface, whatever it is at the time of a look-up.
    #[must_use]
    pub fn new(stack: &Stack) -> Self {
        Self { stack: stack.clone() }
    }

    /// Resolves a name to its addresses, IPv6 first; IPv6 only where the interface has an address beyond its link.
    ///
    /// An address as text is itself. A name without a dot is looked up in the search domains, then as it is; another
    /// one the other way round, and one with a dot at its end only as it is.
    ///
    /// # Errors
    /// [`ResolveError`].
    pub async fn lookup(&self, name: &str) -> Result<Vec<IpAddr>, ResolveError> {
        if let Ok(address) = name.parse() {
            return Ok([address].into());
        }
        let has_ipv6 = |address: &crate::InterfaceAddress| address.address.is_ipv6() && !address.is_link_local();
        let asks_ipv6 = self.stack.state().config().addresses.iter().any(has_ipv6);
        let ipv6 =
            async { if asks_ipv6 { self.resolve(name, RecordType::Aaaa).await } else { Err(ResolveError::NoAddress) } };
        let (ipv6, ipv4) = join(ipv6, self.resolve(name, RecordType::A)).await;
        match (ipv6, ipv4) {
            (Ok(ipv6), ipv4) => Ok(ipv6.into_iter().chain(ipv4.unwrap_or_default()).collect()),
            (Err(_), Ok(ipv4)) => Ok(ipv4),
            (Err(ResolveError::NoAddress), Err(error)) => Err(error),
            (Err(error), Err(_)) => Err(error),
        }
    }

    /// Resolves a name to its IPv4 addresses.
    ///
    /// # Errors
    /// [`ResolveError`].
    pub async fn lookup_ipv4(&self, name: &str) -> Result<Vec<Ipv4Addr>, ResolveError> {
        let addresses = match name.parse::<IpAddr>() {
            Ok(address) => [address].into(),
            Err(_) => self.resolve(name, RecordType::A).await?,
        };
        let addresses = addresses.into_iter().filter_map(|address| match address {
            IpAddr::V4(address) => Some(address),
            IpAddr::V6(_) => None,
        });
        Some(addresses.collect()).filter(|addresses: &Vec<_>| !addresses.is_empty()).ok_or(ResolveError::NoAddress)
    }

    /// Resolves a name to its IPv6 addresses.
    ///
    /// # Errors
    /// [`ResolveError`].
    pub async fn lookup_ipv6(&self, name: &str) -> Result<Vec<Ipv6Addr>, ResolveError> {
        let addresses = match name.parse::<IpAddr>() {
            Ok(address) => [address].into(),
            Err(_) => self.resolve(name, RecordType::Aaaa).await?,
        };
        let addresses = addresses.into_iter().filter_map(|address| match address {
            IpAddr::V4(_) => None,
            IpAddr::V6(address) => Some(address),
        });
        Some(addresses.collect()).filter(|addresses: &Vec<_>| !addresses.is_empty()).ok_or(ResolveError::NoAddress)
    }

    /// Resolves an address to a name (RFC 1035, 3.5; RFC 3596, 2.5).
    ///
    /// # Errors
    /// [`ResolveError`].
    pub async fn reverse_lookup(&self, address: IpAddr) -> Result<String, ResolveError> {
        match self.query(&reverse_name(address), RecordType::Ptr).await? {
            Records::Name(name) => Ok(name),
            Records::NoName => Err(ResolveError::NotFound),
            Records::None | Records::Addresses(_) => Err(ResolveError::NoAddress),
        }
    }

    async fn resolve(&self, name: &str, record_type: RecordType) -> Result<Vec<IpAddr>, ResolveError> {
        if !is_name(name) {
            return Err(ResolveError::InvalidName);
        }
        if let Some(addresses) = self.own_addresses(name, record_type) {
            return Some(addresses).filter(|list| !list.is_empty()).ok_or(ResolveError::NoAddress);
        }
        let config = self.stack.state().config();
        let mut worst = ResolveError::NotFound;
        for name in candidates(name, &config.search_domains) {
            match self.query(&name, record_type).await? {
                Records::Addresses(addresses) => return Ok(addresses),
                Records::None | Records::Name(_) => worst = ResolveError::NoAddress,
                Records::NoName => {}
            }
        }
        Err(worst)
    }

    /// Returns the addresses of a name that is this host's own, without asking; `None` for other names.
    fn own_addresses(&self, name: &str, record_type: RecordType) -> Option<Vec<IpAddr>> {
        let config = self.stack.state().config();
        let is_wanted = |address: &IpAddr| address.is_ipv4() == (record_type == RecordType::A);
        if is_localhost(name) {
            let addresses = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
            return Some(addresses.into_iter().filter(is_wanted).collect());
        }
        let hostname = config.hostname.as_deref()?;
        let own = name.strip_suffix('.').unwrap_or(name);
        let addresses = config.addresses.iter().map(|address| address.address);
        let is_own = match own.rsplit_once('.').filter(|_| is_local(own)) {
            // On the link, another host may have the name, and this one another.
            Some((host, _local)) => {
                self.stack.state().local_name().is_some_and(|name| host.eq_ignore_ascii_case(&name))
            }
            None => own.eq_ignore_ascii_case(hostname),
        };
        is_own.then(|| addresses.filter(is_wanted).collect())
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolver").finish_non_exhaustive()
    }
}
