//! A responder of multicast DNS for the name of this host (RFC 6762), as a state machine without sockets and clocks.
//!
//! [`Responder`] probes for `hostname.local`, announces it, answers questions for its addresses, and takes another name
//! (`hostname-2`) when another host has it.

#[cfg(not(feature = "mdns"))]
mod absent;
#[cfg(feature = "mdns")]
mod discovery;
#[cfg(feature = "mdns")]
mod message;
#[cfg(feature = "mdns")]
mod responder;
#[cfg(all(test, feature = "mdns"))]
mod tests;

use core::net::{Ipv4Addr, SocketAddr};

#[cfg(not(feature = "mdns"))]
pub(crate) use self::absent::Responder;
#[cfg(feature = "mdns")]
pub(crate) use self::responder::Responder;

/// The port of web servers, which are answered for as a service.
pub(crate) const HTTP_PORT: u16 = 80;
/// The port that all multicast DNS is sent from and to.
pub(crate) const PORT: u16 = 5353;
/// The group of all responders (RFC 6762, 3).
pub(crate) const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 251);
/// Messages never pass a router; receivers may check that (RFC 6762, 11).
pub(crate) const TIME_TO_LIVE: u8 = 255;

/// Where a message is sent to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(feature = "mdns"), expect(dead_code, reason = "no message is made"))]
pub(crate) enum Destination {
    /// All responders of the link.
    Group,
    /// One host.
    Host(SocketAddr),
}
