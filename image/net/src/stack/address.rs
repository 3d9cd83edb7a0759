//! Assignment of the IPv4 address: static, by DHCP, or link-local.

use alloc::boxed::Box;
use alloc::string::String;
use core::net::{Ipv4Addr, SocketAddrV4};

use smoltcp::time::{Duration, Instant};
use switchboard_runtime::command_line::AddressSource;

use super::datagram::{Ends, payload, with_packet};
use crate::config::{ConfigSource, InterfaceAddress, InterfaceConfig, Route};
use crate::dhcp::{Client, Datagram};
use crate::link::DHCP_CLIENT_PORT;
use crate::link_local::LinkLocal;
use crate::mac::Mac;

/// The UDP port of DHCP servers (RFC 2131, 4.1).
const DHCP_SERVER_PORT: u16 = 67;
const TIME_TO_LIVE: u8 = 64;

/// The time until a static address that another host has is tried again (RFC 5227, 1.1: RATE_LIMIT_INTERVAL).
const CONFLICT_INTERVAL: Duration = Duration::from_secs(60);

/// Where the IPv4 address of an interface comes from.
pub(super) struct AddressAssignment {
    fixed: Option<StaticAddress>,
    client: Option<Box<Client>>,
    pub(super) link_local: LinkLocal,
}

/// An address from the command line.
struct StaticAddress {
    config: InterfaceConfig,
    /// Whether the interface has the address.
    is_set: bool,
    /// When the address is tried again, after a conflict.
    retry_at: Instant,
}

/// The address that was given up because another host has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Withdrawn {
    /// It is tried again after so many seconds.
    Static(u64),
    Dhcp,
    LinkLocal,
}

impl AddressAssignment {
    pub(super) fn new(source: AddressSource, mac: Mac, hostname: Option<String>, seed: u64, now: Instant) -> Self {
        let mut assignment = Self { fixed: None, client: None, link_local: LinkLocal::new(mac) };
        match source {
            AddressSource::Static { address, prefix, gateway } => {
                let address = InterfaceAddress::new(address.into(), prefix, ConfigSource::CommandLine);
                let mut config = InterfaceConfig::default().with_address(address);
                config.routes.extend(gateway.map(|gateway| Route::default_by(gateway.into())));
                assignment.fixed = Some(StaticAddress { config, is_set: false, retry_at: now });
            }
            AddressSource::LinkLocal => assignment.link_local.start(),
            AddressSource::Off => {}
            _ => assignment.client = Some(Box::new(Client::new(mac, hostname, seed, now))),
        }
        assignment
    }

    /// Returns the static address and routes, once, when the link is up; again some time after a conflict.
    #[inline]
    pub(super) fn static_config(&mut self, is_up: bool, now: Instant) -> Option<InterfaceConfig> {
        let fixed = self.fixed.as_mut().filter(|fixed| is_up && !fixed.is_set && now >= fixed.retry_at)?;
        fixed.is_set = true;
        Some(fixed.config.clone())
    }

    /// Gives up an address, which another host has.
    pub(super) fn withdraw(&mut self, address: Ipv4Addr, now: Instant) -> Withdrawn {
        if self.link_local.conflict(address, now) {
            return Withdrawn::LinkLocal;
        }
        if let Some(client) = &mut self.client {
            client.conflict(now);
            return Withdrawn::Dhcp;
        }
        if let Some(fixed) = &mut self.fixed {
            (fixed.is_set, fixed.retry_at) = (false, now + CONFLICT_INTERVAL);
        }
        Withdrawn::Static(CONFLICT_INTERVAL.secs())
    }

    /// Returns when a static address is tried again, or a link-local one is due.
    #[inline]
    pub(super) fn retry_at(&self) -> Option<Instant> {
        let fixed = self.fixed.as_ref().filter(|fixed| !fixed.is_set).map(|fixed| fixed.retry_at);
        fixed.or_else(|| self.link_local.deadline())
    }

    pub(super) fn dhcp_client(&mut self) -> Option<&mut Client> {
        self.client.as_deref_mut()
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
