//! The resolver: what it knows without asking, its cache, and which servers it asks in which order.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use embassy_futures::join::join;
use embassy_time::{Duration, Instant};

use switchboard_runtime::entropy;

use super::candidates::{candidates, is_local, is_localhost, is_name};
use super::error::ResolveError;
use super::message::{Answer, Query, RecordType, Records};
use super::transport::{ask_link, ask_server};
use crate::stack::Stack;

/// How long a server has for its first answer; twice as long in the next round.
const FIRST_TIMEOUT: Duration = Duration::from_secs(2);
/// Queries for a name, at least and at most: with one server all are for it.
const MIN_QUERIES: usize = 3;
const MAX_QUERIES: usize = 6;
/// How long hosts of the link have to answer (RFC 6762, 5.2: a second between queries), and the number of queries.
const LINK_TIMEOUT: Duration = Duration::from_secs(1);
const LINK_QUERIES: usize = 3;
/// Aliases for which a server is asked in turn.
const MAX_ALIASES: usize = 8;

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
    stack: Stack,
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

    /// Returns the records of a name in lower case, from the cache or by asking. Aliases are followed.
    async fn query(&self, name: &str, record_type: RecordType) -> Result<Records, ResolveError> {
        self.stack.dns().update_servers(&self.stack.state().config().dns_servers);
        let mut target = name.to_string();
        for _ in 0..MAX_ALIASES {
            if let Some(records) = self.stack.dns().cache.get(&target, record_type, Instant::now()) {
                return Ok(records);
            }
            match self.ask(&target, record_type).await? {
                Answer::Records(records, seconds) => {
                    let seconds = seconds.unwrap_or(0);
                    self.stack.dns().cache.insert(&target, record_type, &records, seconds, Instant::now());
                    return Ok(records);
                }
                Answer::Alias(alias) => target = alias.to_ascii_lowercase(),
                Answer::Unrelated | Answer::Truncated | Answer::Failed => break,
            }
        }
        Err(ResolveError::ServerFailure)
    }

    async fn ask(&self, name: &str, record_type: RecordType) -> Result<Answer, ResolveError> {
        if is_local(name) {
            return self.ask_link(name, record_type).await;
        }
        let servers = self.stack.state().config().dns_servers.clone();
        if servers.is_empty() {
            return Err(ResolveError::NoServer);
        }
        let mut error = ResolveError::TimedOut;
        for attempt in 0..(2 * servers.len()).clamp(MIN_QUERIES, MAX_QUERIES) {
            // The server that has answered last is asked first.
            let first = self.stack.dns().preferred_server;
            let index = (first + attempt) % servers.len();
            let round = u32::try_from(attempt / servers.len()).unwrap_or(0);
            let query = self.new_query(name, record_type)?;
            match ask_server(&self.stack, servers[index], &query, FIRST_TIMEOUT * (1 << round.min(2))).await {
                Ok(Answer::Failed | Answer::Unrelated | Answer::Truncated) => error = ResolveError::ServerFailure,
                Err(ResolveError::TimedOut) => {}
                Err(other) => return Err(other),
                Ok(answer) => {
                    self.stack.dns().preferred_server = index;
                    return Ok(answer);
                }
            }
        }
        Err(error)
    }

    /// Asks the hosts of the link. Silence is the only sign that a name does not exist.
    async fn ask_link(&self, name: &str, record_type: RecordType) -> Result<Answer, ResolveError> {
        for attempt in 0..LINK_QUERIES {
            let query = self.new_query(name, record_type)?;
            match ask_link(&self.stack, &query, LINK_TIMEOUT * (1 << attempt)).await {
                Ok(answer @ (Answer::Records(..) | Answer::Alias(_))) => return Ok(answer),
                Ok(_) | Err(ResolveError::TimedOut) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Answer::Records(Records::NoName, None))
    }

    fn new_query(&self, name: &str, record_type: RecordType) -> Result<Query, ResolveError> {
        let id = (entropy::random_u64() & 0xffff) as u16;
        Query::new(id, name, record_type).ok_or(ResolveError::InvalidName)
    }
}

/// Returns the name at which the name of an address is stored.
fn reverse_name(address: IpAddr) -> String {
    use core::fmt::Write;
    let mut name = String::new();
    let written = match address {
        IpAddr::V4(address) => {
            let [a, b, c, d] = address.octets();
            write!(name, "{d}.{c}.{b}.{a}.in-addr.arpa")
        }
        IpAddr::V6(address) => {
            let mut octets = address.octets().into_iter().rev();
            let written = octets.try_for_each(|octet| write!(name, "{:x}.{:x}.", octet & 15, octet >> 4));
            written.and_then(|()| name.write_str("ip6.arpa"))
        }
    };
    written.expect("a string takes any text");
    name
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolver").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_addresses_are_reversed() {
        assert_eq!(reverse_name([10, 0, 2, 15].into()), "15.2.0.10.in-addr.arpa");
        let name = reverse_name(IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)));
        assert_eq!(name, "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa");
    }
}
