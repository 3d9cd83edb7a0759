//! The IPv4 routes of an interface.

use core::net::Ipv4Addr;

use heapless::Vec;

/// The maximum number of routes of an interface: its own network, a gateway beyond it, the default, and static ones.
const MAX_ROUTES: usize = 32;

/// A route: where packets to a network go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Route {
    network: u32,
    mask: u32,
    /// The router; `None` for a network on the link.
    gateway: Option<u32>,
}

impl Route {
    /// Creates a route to the network of `address` with so many leading bits.
    pub(crate) fn new(address: Ipv4Addr, prefix_length: u8, gateway: Option<Ipv4Addr>) -> Self {
        let mask = mask(prefix_length);
        Self { network: address.to_bits() & mask, mask, gateway: gateway.map(Ipv4Addr::to_bits) }
    }
}

/// Returns the mask of so many leading bits.
pub(crate) fn mask(prefix_length: u8) -> u32 {
    u32::MAX.checked_shl(32 - u32::from(prefix_length.min(32))).unwrap_or(0)
}

/// The routes of an interface, those with longer prefixes first.
#[derive(Debug, Default)]
pub(crate) struct Routes(Vec<Route, MAX_ROUTES>);

impl Routes {
    /// Removes all routes.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// Adds a route. Returns whether there was room.
    pub(crate) fn add(&mut self, route: Route) -> bool {
        let place = self.0.partition_point(|other| other.mask >= route.mask);
        self.0.insert(place, route).is_ok()
    }

    /// Returns the neighbour that a packet to `destination` is sent to: the destination itself, or a router.
    #[inline]
    pub(crate) fn next_hop(&self, destination: u32) -> Option<u32> {
        let route = self.0.iter().find(|route| destination & route.mask == route.network)?;
        Some(route.gateway.unwrap_or(destination))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> Ipv4Addr {
        Ipv4Addr::new(10, 0, 0, last)
    }

    #[test]
    fn the_longest_prefix_decides() {
        let mut routes = Routes::default();
        assert!(routes.add(Route::new(Ipv4Addr::UNSPECIFIED, 0, Some(address(1)))));
        assert!(routes.add(Route::new(address(7), 24, None)));
        assert!(routes.add(Route::new(Ipv4Addr::new(10, 9, 0, 0), 16, Some(address(2)))));
        assert!(routes.add(Route::new(Ipv4Addr::new(10, 9, 8, 0), 24, Some(address(3)))));
        for (destination, next_hop) in [
            (address(9), address(9)),
            (Ipv4Addr::new(10, 9, 1, 1), address(2)),
            (Ipv4Addr::new(10, 9, 8, 1), address(3)),
            (Ipv4Addr::new(8, 8, 8, 8), address(1)),
        ] {
            assert_eq!(routes.next_hop(destination.to_bits()), Some(next_hop.to_bits()), "{destination}");
        }
    }

    #[test]
    fn an_empty_table_leads_nowhere_and_a_full_one_refuses() {
        let mut routes = Routes::default();
        assert_eq!(routes.next_hop(address(9).to_bits()), None);
        for last in 0..32 {
            assert!(routes.add(Route::new(address(last), 32, None)));
        }
        assert!(!routes.add(Route::new(address(33), 32, None)));
        assert_eq!(mask(0), 0);
        assert_eq!(mask(32), u32::MAX);
    }
}
