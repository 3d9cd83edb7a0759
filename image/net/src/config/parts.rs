//! The parts of a configuration, one of each source, and what they are together.

use alloc::rc::Rc;
use alloc::vec::Vec;

use super::{ConfigSource, InterfaceConfig};

/// What each source has contributed, and the whole.
#[derive(Debug, Default)]
pub(crate) struct ConfigParts {
    /// In the order of [`ConfigSource::ALL`].
    parts: [InterfaceConfig; ConfigSource::ALL.len()],
    whole: Rc<InterfaceConfig>,
}

impl ConfigParts {
    /// Returns what all parts are together.
    pub(crate) fn whole(&self) -> &Rc<InterfaceConfig> {
        &self.whole
    }

    /// Returns what a source has contributed.
    pub(crate) fn part(&self, source: ConfigSource) -> &InterfaceConfig {
        &self.parts[source as usize]
    }

    /// Replaces what a source has contributed. Returns the whole as it was before, if it has changed.
    pub(crate) fn set(&mut self, source: ConfigSource, part: InterfaceConfig) -> Option<Rc<InterfaceConfig>> {
        self.parts[source as usize] = part;
        let whole = self.merge();
        (whole != *self.whole).then(|| core::mem::replace(&mut self.whole, Rc::new(whole)))
    }

    /// Addresses and routes are those of all sources. Names and servers of the command line replace all others, which
    /// otherwise complement each other.
    fn merge(&self) -> InterfaceConfig {
        InterfaceConfig {
            addresses: self.all(|part| &part.addresses),
            routes: self.all(|part| &part.routes),
            dns_servers: self.own_or_all(|part| &part.dns_servers),
            search_domains: self.own_or_all(|part| &part.search_domains),
            ntp_servers: self.own_or_all(|part| &part.ntp_servers),
            hostname: self.parts.iter().find_map(|part| part.hostname.clone()),
            mtu: self.parts.iter().filter_map(|part| part.mtu).min(),
        }
    }

    fn all<T: Clone + PartialEq>(&self, list: impl Fn(&InterfaceConfig) -> &Vec<T>) -> Vec<T> {
        let mut all: Vec<T> = Vec::new();
        for item in self.parts.iter().flat_map(list) {
            if !all.contains(item) {
                all.push(item.clone());
            }
        }
        all
    }

    fn own_or_all<T: Clone + PartialEq>(&self, list: impl Fn(&InterfaceConfig) -> &Vec<T>) -> Vec<T> {
        let own = list(self.part(ConfigSource::CommandLine));
        if own.is_empty() { self.all(list) } else { own.clone() }
    }
}

#[cfg(test)]
mod tests {
    use core::net::IpAddr;

    use super::*;
    use crate::config::{InterfaceAddress, Route};

    const SERVERS: [[u8; 4]; 3] = [[10, 0, 0, 53], [10, 0, 0, 54], [9, 9, 9, 9]];

    fn part(source: ConfigSource, address: [u8; 4], server: usize) -> InterfaceConfig {
        InterfaceConfig {
            dns_servers: [IpAddr::from(SERVERS[server])].to_vec(),
            ..InterfaceConfig::default().with_address(InterfaceAddress::new(address.into(), 24, source))
        }
    }

    #[test]
    fn addresses_of_all_sources_are_kept_in_order_of_precedence() {
        let mut parts = ConfigParts::default();
        assert!(parts.set(ConfigSource::LinkLocal, part(ConfigSource::LinkLocal, [169, 254, 1, 1], 1)).is_some());
        assert!(parts.set(ConfigSource::Dhcp, part(ConfigSource::Dhcp, [10, 0, 0, 7], 0)).is_some());
        let whole = parts.whole();
        assert_eq!(whole.ipv4_address().expect("one").address, IpAddr::from([10, 0, 0, 7]));
        assert_eq!(whole.addresses.len(), 2);
        assert_eq!(whole.dns_servers, [IpAddr::from(SERVERS[0]), SERVERS[1].into()]);
        // The same again changes nothing.
        assert!(parts.set(ConfigSource::Dhcp, part(ConfigSource::Dhcp, [10, 0, 0, 7], 0)).is_none());
        assert!(parts.set(ConfigSource::Dhcp, InterfaceConfig::default()).is_some());
        assert_eq!(parts.whole().addresses.len(), 1);
    }

    #[test]
    fn servers_of_the_command_line_replace_those_of_the_network() {
        let mut parts = ConfigParts::default();
        let fixed = InterfaceConfig { dns_servers: [IpAddr::from(SERVERS[2])].to_vec(), ..InterfaceConfig::default() };
        parts.set(ConfigSource::CommandLine, fixed);
        let mut lease = part(ConfigSource::Dhcp, [10, 0, 0, 7], 0);
        (lease.hostname, lease.mtu) = (Some("board".into()), Some(1400));
        lease.routes.push(Route::default_by([10, 0, 0, 1].into()));
        parts.set(ConfigSource::Dhcp, lease);
        let whole = parts.whole();
        assert_eq!(whole.dns_servers, [IpAddr::from(SERVERS[2])]);
        assert_eq!((whole.hostname.as_deref(), whole.mtu), (Some("board"), Some(1400)));
        assert_eq!(whole.ipv4_gateway(), Some([10, 0, 0, 1].into()));
    }
}
