//! Assignment of the IPv4 address: static, or by DHCP (RFC 2131).

use alloc::boxed::Box;
use core::net::Ipv4Addr;

use smoltcp::time::Instant;
use switchboard_runtime::command_line::AddressSource;

use super::dhcp_client::DhcpClient;
use crate::config::{ConfigSource, InterfaceAddress, InterfaceConfig, Route};
use crate::mac::Mac;

pub(super) enum AddressAssignment {
    Static {
        config: InterfaceConfig,
        /// Whether the interface has the address.
        is_set: bool,
    },
    Dhcp(Box<DhcpClient>),
}

impl AddressAssignment {
    pub(super) fn new(source: AddressSource, mac: Mac, seed: u64, now: Instant) -> Self {
        match source {
            AddressSource::Dhcp => Self::Dhcp(Box::new(DhcpClient::new(mac, seed, now))),
            AddressSource::Static { address, prefix, gateway } => {
                let config = ipv4(InterfaceAddress::new(address.into(), prefix, ConfigSource::CommandLine), gateway);
                Self::Static { config, is_set: false }
            }
        }
    }

    /// Returns a configuration that the interface has to take now, `Some(None)` for none; `None` when nothing has changed.
    pub(super) fn poll(&mut self, is_up: bool) -> Option<Option<InterfaceConfig>> {
        match self {
            Self::Static { config, is_set } => {
                let is_changed = is_up && !core::mem::replace(is_set, *is_set || is_up);
                is_changed.then(|| Some(config.clone()))
            }
            Self::Dhcp(client) => is_up.then(|| client.poll()).flatten(),
        }
    }

    /// Returns the source of the address.
    pub(super) fn source(&self) -> ConfigSource {
        match self {
            Self::Static { .. } => ConfigSource::CommandLine,
            Self::Dhcp(_) => ConfigSource::Dhcp,
        }
    }

    pub(super) fn dhcp_client(&mut self) -> Option<&mut DhcpClient> {
        match self {
            Self::Static { .. } => None,
            Self::Dhcp(client) => Some(client),
        }
    }
}

/// Returns a configuration of one address, with the default route.
pub(super) fn ipv4(address: InterfaceAddress, gateway: Option<Ipv4Addr>) -> InterfaceConfig {
    let config = InterfaceConfig::default().with_address(address);
    match gateway {
        Some(gateway) => config.with_route(Route::default_by(gateway.into())),
        None => config,
    }
}
