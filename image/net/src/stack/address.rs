//! Assignment of the IPv4 address: static, or by DHCP (RFC 2131).

use smoltcp::socket::dhcpv4;
use switchboard_runtime::command_line::AddressSource;

use super::socket_table::{SocketId, SocketTable};
use crate::ipv4_config::Ipv4Config;

pub(super) enum AddressAssignment {
    Static {
        config: Ipv4Config,
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
                let mut config = Ipv4Config::new(address, prefix);
                config.gateway = gateway;
                Self::Static { config, is_set: false }
            }
        }
    }

    /// Returns a configuration that the interface has to take now, `Some(None)` for none; `None` when nothing has changed.
    pub(super) fn poll(&mut self, sockets: &mut SocketTable, is_up: bool) -> Option<Option<Ipv4Config>> {
        match self {
            Self::Static { config, is_set } => {
                let is_changed = is_up && !core::mem::replace(is_set, *is_set || is_up);
                is_changed.then_some(Some(*config))
            }
            Self::Dhcp(client) => {
                let socket = client.and_then(|client| sockets.get::<dhcpv4::Socket<'_>>(client));
                socket.filter(|_| is_up).and_then(dhcpv4::Socket::poll).map(|event| match event {
                    dhcpv4::Event::Configured(lease) => {
                        let mut config = Ipv4Config::new(lease.address.address(), lease.address.prefix_len());
                        config.gateway = lease.router;
                        Some(config)
                    }
                    dhcpv4::Event::Deconfigured => None,
                })
            }
        }
    }

    pub(super) fn dhcp_client(&self) -> Option<SocketId> {
        match self {
            Self::Static { .. } => None,
            Self::Dhcp(client) => *client,
        }
    }
}
