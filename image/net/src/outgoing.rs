//! Connections to hosts by name, from the interface whose route is the best.

use alloc::rc::Rc;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

use crate::dns::{ResolveError, Resolver};
use crate::interface::Interface;
use crate::network::Network;
use crate::stack::{Stack, TcpConfig, TcpError, TcpStream};

/// Why a host could not be connected to by its name.
///
/// ```
/// use switchboard_net::{ConnectError, ResolveError};
///
/// assert_eq!(ConnectError::from(ResolveError::NotFound).to_string(), "the name does not exist");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The name could not be resolved.
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    /// None of its addresses could be connected to; the error of the last attempt.
    #[error(transparent)]
    Tcp(#[from] TcpError),
}

impl TcpStream {
    /// Opens a connection to a host by its name, or an address as text: to the first of its addresses that answers, with
    /// IPv6 and IPv4 in turn (RFC 8305).
    ///
    /// On a machine with several network cards, [`Network::connect`] finds the right one.
    ///
    /// ```
    /// use switchboard_net::{ConnectError, ResolveError, TcpConfig, TcpError, TcpStream};
    /// use switchboard_net_testing::TestNetwork;
    ///
    /// let mut network = TestNetwork::new();
    /// let stack = network.stack().clone();
    /// let errors = network.wait(async move {
    ///     let connect = async |host| TcpStream::connect_host(&stack, host, 9, TcpConfig::default()).await.err();
    ///     [connect("10.0.0.2").await, connect("printer.example").await]
    /// });
    /// let expected = [ConnectError::Tcp(TcpError::Refused), ConnectError::Resolve(ResolveError::NoServer)];
    /// assert_eq!(errors, expected.map(Some));
    /// ```
    ///
    /// # Errors
    /// [`ConnectError`].
    pub async fn connect_host(stack: &Stack, host: &str, port: u16, config: TcpConfig) -> Result<Self, ConnectError> {
        let addresses = in_turn(Resolver::new(stack).lookup(host).await?);
        let remotes: Vec<_> = addresses.into_iter().map(|address| (stack.clone(), (address, port).into())).collect();
        Ok(Self::connect_first(&remotes, config).await?)
    }
}

/// Returns the addresses with both protocols in turn, beginning with that of the first (RFC 8305, 4).
fn in_turn(addresses: Vec<IpAddr>) -> Vec<IpAddr> {
    let is_ipv6 = addresses.first().is_some_and(IpAddr::is_ipv6);
    let (mut first, mut second): (Vec<_>, Vec<_>) = addresses.into_iter().partition(|own| own.is_ipv6() == is_ipv6);
    let mut ordered = Vec::with_capacity(first.len() + second.len());
    let (mut first, mut second) = (first.drain(..), second.drain(..));
    loop {
        let pair = [first.next(), second.next()];
        if pair == [None, None] {
            return ordered;
        }
        ordered.extend(pair.into_iter().flatten());
    }
}

impl Network {
    /// Returns the stack of the interface with the best route to `destination`: the longest prefix, then the first by PCI
    /// address. `None` when no interface whose link is up has one.
    ///
    /// Sockets on that stack send to `destination` by its routes. A socket that only answers needs no look-up: answers
    /// leave on the interface that the request came in on.
    ///
    /// ```
    /// use std::rc::Rc;
    /// use switchboard::config::Address;
    /// use switchboard_net::{AddressSource, Interface, InterfaceState, Network, Nic, Services};
    /// use switchboard_net_testing::{TestCard, TestNetwork};
    ///
    /// let mut host = TestNetwork::new();
    /// let services: Services = Rc::new(|_group, _stack| {});
    /// let interfaces = [2, 3].map(|number| {
    ///     let (card, _peer) = TestCard::pair();
    ///     let gateway = (number == 2).then_some([10, 0, 2, 1].into());
    ///     let source = AddressSource::Static { address: [10, 0, number, 9].into(), prefix: 24, gateway };
    ///     let state = InterfaceState::new(Address::new(0, 0, number, 0), "test", Nic::mac(&card), source, 0);
    ///     Interface::start(host.tasks(), state, Box::new(card), 1, &services)
    /// });
    /// let network = Network::of_interfaces(interfaces.into());
    /// host.step();
    /// host.step();
    /// let card_to = |destination: [u8; 4]| {
    ///     let stack = network.stack_for(destination.into())?;
    ///     Some(stack.state().function.device())
    /// };
    /// assert_eq!(card_to([10, 0, 3, 7]), Some(3));
    /// assert_eq!(card_to([192, 0, 2, 1]), Some(2), "by the gateway");
    /// ```
    #[must_use]
    pub fn stack_for(&self, destination: IpAddr) -> Option<Stack> {
        let interfaces = self.interfaces();
        let routes = interfaces.iter().filter(|interface| interface.is_up()).filter_map(|interface| {
            let prefix_length = interface.config().route_to(destination)?;
            Some((prefix_length, interface))
        });
        // Of equals the last counts.
        routes.rev().max_by_key(|(prefix_length, _)| *prefix_length).map(|(_, interface)| interface.stack().clone())
    }

    /// Resolves a name to its addresses by the [`Resolver`] of each interface in turn, until one has an answer.
    ///
    /// # Errors
    /// The [`ResolveError`] of the first interface with DNS servers, or of the first; [`ResolveError::NoServer`] without
    /// an interface.
    pub async fn lookup(&self, name: &str) -> Result<Vec<IpAddr>, ResolveError> {
        let stacks: Vec<_> = self.interfaces().iter().map(Interface::stack).cloned().collect();
        let mut first_error = ResolveError::NoServer;
        for stack in stacks {
            match Resolver::new(&stack).lookup(name).await {
                Ok(addresses) => return Ok(addresses),
                Err(error) if first_error == ResolveError::NoServer => first_error = error,
                Err(_) => {}
            }
        }
        Err(first_error)
    }

    /// Opens a connection to a host by its name, or an address as text: to the first of its addresses that answers, with
    /// IPv6 and IPv4 in turn (RFC 8305), each from the interface with the best route to it.
    ///
    /// ```no_run
    /// use std::rc::Rc;
    /// use switchboard_net::{ConnectError, Network, TcpConfig};
    ///
    /// async fn greet(network: Rc<Network>) -> Result<(), ConnectError> {
    ///     let stream = network.connect("printer.example", 9100, TcpConfig::default()).await?;
    ///     stream.write(b"hello\n").await?;
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    /// [`ConnectError`].
    pub async fn connect(&self, host: &str, port: u16, config: TcpConfig) -> Result<TcpStream, ConnectError> {
        let addresses = in_turn(self.lookup(host).await?);
        let with_stack = |address| Some((self.stack_for(address)?, SocketAddr::new(address, port)));
        let remotes: Vec<_> = addresses.into_iter().filter_map(with_stack).collect();
        Ok(TcpStream::connect_first(&remotes, config).await?)
    }

    /// Creates a network of interfaces that were started by hand.
    #[must_use]
    pub fn of_interfaces(interfaces: Vec<Interface>) -> Rc<Self> {
        Rc::new(Self::with_interfaces(interfaces))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn protocols_take_turns_beginning_with_the_first() {
        let [a, b, c] = [1, 2, 3].map(|last| IpAddr::from([10, 0, 0, last]));
        let six = IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1]);
        assert_eq!(in_turn([six, a, b, c].into()), [six, a, b, c]);
        assert_eq!(in_turn([a, b, six].into()), [a, six, b]);
        assert!(in_turn(Vec::new()).is_empty());
    }
}
