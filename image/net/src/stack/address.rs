//! Assignment of the IPv4 address: static, or by DHCP.

use alloc::boxed::Box;
use alloc::string::String;
use core::net::SocketAddrV4;

use smoltcp::time::Instant;
use switchboard_runtime::command_line::AddressSource;

use super::datagram::{Ends, payload, with_packet};
use crate::config::{ConfigSource, InterfaceAddress, InterfaceConfig, Route};
use crate::dhcp::{Client, Datagram};
use crate::link::DHCP_CLIENT_PORT;
use crate::mac::Mac;

/// The UDP port of DHCP servers (RFC 2131, 4.1).
const DHCP_SERVER_PORT: u16 = 67;
const TIME_TO_LIVE: u8 = 64;

pub(super) enum AddressAssignment {
    Static {
        config: InterfaceConfig,
        /// Whether the interface has the address.
        is_set: bool,
        /// When the address is tried again, after a conflict.
        retry_at: Instant,
    },
    Dhcp(Box<Client>),
}

impl AddressAssignment {
    pub(super) fn new(source: AddressSource, mac: Mac, hostname: Option<String>, seed: u64, now: Instant) -> Self {
        match source {
            AddressSource::Dhcp => Self::Dhcp(Box::new(Client::new(mac, hostname, seed, now))),
            AddressSource::Static { address, prefix, gateway } => {
                let address = InterfaceAddress::new(address.into(), prefix, ConfigSource::CommandLine);
                let config = InterfaceConfig::default().with_address(address);
                let config = match gateway {
                    Some(gateway) => config.with_route(Route::default_by(gateway.into())),
                    None => config,
                };
                Self::Static { config, is_set: false, retry_at: now }
            }
        }
    }

    /// Returns the static address and routes, once, when the link is up; again some time after a conflict.
    #[inline]
    pub(super) fn static_config(&mut self, is_up: bool, now: Instant) -> Option<InterfaceConfig> {
        match self {
            Self::Static { config, is_set, retry_at } if is_up && !*is_set && now >= *retry_at => {
                *is_set = true;
                Some(config.clone())
            }
            _ => None,
        }
    }

    /// Gives up the address, which another host has. A static one is tried again at `retry_at`.
    pub(super) fn withdraw(&mut self, now: Instant, next: Instant) {
        match self {
            Self::Static { is_set, retry_at, .. } => (*is_set, *retry_at) = (false, next),
            Self::Dhcp(client) => client.conflict(now),
        }
    }

    /// Returns when a static address is tried again.
    #[inline]
    pub(super) fn retry_at(&self) -> Option<Instant> {
        match self {
            Self::Static { is_set: false, retry_at, .. } => Some(*retry_at),
            _ => None,
        }
    }

    pub(super) fn dhcp_client(&mut self) -> Option<&mut Client> {
        match self {
            Self::Static { .. } => None,
            Self::Dhcp(client) => Some(client),
        }
    }
}

/// Returns the payload of a datagram from a DHCP server; `None` for one from another port, or a malformed one.
pub(super) fn dhcp_payload(packet: &[u8], header_length: usize) -> Option<&[u8]> {
    let (payload, port) = payload(packet, header_length)?;
    (port == DHCP_SERVER_PORT).then_some(payload)
}

/// Calls `send` with the IPv4 packet of a message to DHCP servers.
pub(super) fn with_dhcp_packet(datagram: &Datagram, send: impl FnOnce(&[u8])) {
    let source = SocketAddrV4::new(datagram.source, DHCP_CLIENT_PORT);
    let destination = SocketAddrV4::new(datagram.destination, DHCP_SERVER_PORT);
    with_packet(Ends { source, destination }, TIME_TO_LIVE, datagram.payload(), send);
}
