//! Apps that run crates of the ecosystem on the stack: clients of HTTP, MQTT and TLS, and another HTTP server.
//!
//! They are part of the feature `clients`, as the crates take space.

pub(super) mod embedded_tls;
pub(super) mod http_get;
pub(super) mod mqtt;
pub(super) mod picoserve;
pub(super) mod tls_get;

use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::OnceCell;
use core::net::SocketAddr;

use switchboard_net::{Network, ResolveError, Resolver, Stack, TcpConfig, TcpError, TcpStream};
use switchboard_runtime::system::System;

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("no network card: no function has a network driver")]
    NoCard,
    #[error("arguments are wanted: {0}")]
    Usage(&'static str),
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    #[error(transparent)]
    Tcp(#[from] TcpError),
    #[error("{0}")]
    Protocol(String),
}

/// Starts the network, and returns the stack of the first card when it is configured. The network lasts as long as what is
/// returned with it.
async fn first_stack(system: &mut System) -> Result<(Rc<Network>, Stack), Failure> {
    let first = Rc::new(OnceCell::<Stack>::new());
    let place = first.clone();
    let network = Network::new(system);
    // Of several cards, the first.
    network.start(system, Rc::new(move |_group, stack| drop(place.set(stack.clone())))).await;
    let stack = first.get().ok_or(Failure::NoCard)?.clone();
    stack.state().configured().await;
    Ok((network, stack))
}

/// Connects to `HOST:PORT`, where the host is a name or an address.
async fn dial(stack: &Stack, target: &str, usage: &'static str) -> Result<TcpStream, Failure> {
    let (host, port) = target.rsplit_once(':').ok_or(Failure::Usage(usage))?;
    let port: u16 = port.parse().map_err(|_| Failure::Usage(usage))?;
    let addresses = Resolver::new(stack).lookup(host.trim_matches(['[', ']'])).await?;
    let remotes: Vec<SocketAddr> = addresses.into_iter().map(|address| (address, port).into()).collect();
    Ok(TcpStream::connect_any(stack, &remotes, TcpConfig::default()).await?)
}
