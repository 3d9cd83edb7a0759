//! Assignment of the IPv4 address: static, or by DHCP (RFC 2131).

use core::net::Ipv4Addr;

use smoltcp::socket::dhcpv4;
use switchboard_runtime::command_line::AddressSource;

use super::socket_table::{SocketId, SocketTable};
use crate::config::{ConfigSource, InterfaceAddress, InterfaceConfig, Route};

pub(super) enum AddressAssignment {
    Static {
        config: InterfaceConfig,
        /// Whether the interface has the address.
        is_set: bool,
    },
    /// The socket of the DHCP client. A new stack always has room for it.
    Dhcp(Option<SocketId>),
}

impl AddressAssignment {
    pub(super) fn new(source: AddressSource, sockets: &mut SocketTable) -> Self {
        match source {
            AddressSource::Dhcp => Self::Dhcp(sockets.add_dhcp(dhcpv4::Socket::new())),
            AddressSource::Static { address, prefix, gateway } => {
                let config = ipv4(InterfaceAddress::new(address.into(), prefix, ConfigSource::CommandLine), gateway);
                Self::Static { config, is_set: false }
            }
        }
    }

    /// Returns a configuration that the interface has to take now, `Some(None)` for none; `None` when nothing has changed.
    pub(super) fn poll(&mut self, sockets: &mut SocketTable, is_up: bool) -> Option<Option<InterfaceConfig>> {
        match self {
            Self::Static { config, is_set } => {
                let is_changed = is_up && !core::mem::replace(is_set, *is_set || is_up);
                is_changed.then(|| Some(config.clone()))
            }
            Self::Dhcp(client) => {
                let socket = client.and_then(|client| sockets.get::<dhcpv4::Socket<'_>>(client));
                socket.filter(|_| is_up).and_then(dhcpv4::Socket::poll).map(|event| match event {
                    dhcpv4::Event::Configured(lease) => {
                        let (address, prefix) = (lease.address.address(), lease.address.prefix_len());
                        let address = InterfaceAddress::new(address.into(), prefix, ConfigSource::Dhcp);
                        Some(ipv4(address, lease.router))
                    }
                    dhcpv4::Event::Deconfigured => None,
                })
            }
        }
    }

    /// Returns the source of the address.
    pub(super) fn source(&self) -> ConfigSource {
        match self {
            Self::Static { .. } => ConfigSource::CommandLine,
            Self::Dhcp(_) => ConfigSource::Dhcp,
        }
    }

    pub(super) fn dhcp_client(&self) -> Option<SocketId> {
        match self {
            Self::Static { .. } => None,
            Self::Dhcp(client) => *client,
        }
    }
}

/// Returns a configuration of one address, with the default route.
fn ipv4(address: InterfaceAddress, gateway: Option<Ipv4Addr>) -> InterfaceConfig {
    let config = InterfaceConfig::default().with_address(address);
    match gateway {
        Some(gateway) => config.with_route(Route::default_by(gateway.into())),
        None => config,
    }
}
