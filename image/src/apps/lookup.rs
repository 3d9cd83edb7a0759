//! Resolves names of hosts: the app's arguments are names, or addresses whose names are wanted.
//!
//! `make run APP=lookup ARGS='-- example.org board.local'` prints a line for each.

use alloc::rc::Rc;
use alloc::string::String;
use core::cell::OnceCell;
use core::fmt::Write;
use core::net::IpAddr;

use switchboard_net::{Network, ResolveError, Resolver, Stack};
use switchboard_runtime::say;
use switchboard_runtime::system::{Outcome, System};

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("no network card: no function has a network driver")]
    NoCard,
    #[error("names are wanted, as in `-- example.org`")]
    Usage,
}

pub(super) async fn run(mut system: System) -> Outcome {
    if system.arguments.is_empty() {
        return Err(Failure::Usage.into());
    }
    let first = Rc::new(OnceCell::<Stack>::new());
    let place = first.clone();
    let network = Network::new(&system);
    // Of several cards, the first.
    network.start(&mut system, Rc::new(move |_group, stack| drop(place.set(stack.clone())))).await;
    let stack = first.get().ok_or(Failure::NoCard)?;
    stack.state().configured().await;
    let resolver = Resolver::new(stack);
    for name in system.arguments.split_ascii_whitespace() {
        match lookup(&resolver, name).await {
            Ok(found) => say!("{name}: {found}"),
            Err(error) => say!("{name}: {error}"),
        }
    }
    Ok(())
}

/// Returns the addresses of a name, or the name of an address.
async fn lookup(resolver: &Resolver, name: &str) -> Result<String, ResolveError> {
    if let Ok(address) = name.parse::<IpAddr>() {
        return resolver.reverse_lookup(address).await;
    }
    let mut found = String::new();
    for address in resolver.lookup(name).await? {
        let separator = if found.is_empty() { "" } else { ", " };
        write!(found, "{separator}{address}").map_err(|_| ResolveError::BufferTooSmall)?;
    }
    Ok(found)
}
