//! Names of hosts: a stub resolver (RFC 1034, 5.3.1) with a cache, and one-shot multicast queries (RFC 6762, 5.1).

mod ask;
mod cache;
mod candidates;
mod error;
mod message;
mod nal;
mod resolver;
mod reverse;
mod tcp;
mod transport;

use alloc::vec::Vec;
use core::net::IpAddr;

pub use self::error::ResolveError;
pub use self::resolver::Resolver;

/// What all resolvers of a stack share.
#[derive(Debug, Default)]
pub(crate) struct DnsState {
    cache: cache::Cache,
    /// The servers that the cache is of.
    servers: Vec<IpAddr>,
    /// The index of the one that has answered last.
    preferred_server: usize,
}

impl DnsState {
    /// Forgets what is of other servers than these: it may be of another network.
    fn update_servers(&mut self, servers: &[IpAddr]) {
        if self.servers != servers {
            *self = Self { servers: servers.to_vec(), ..Self::default() };
        }
    }
}
