//! What the command line sets for one interface.

use alloc::vec::Vec;

use switchboard_runtime::command_line::{AddressSource, InterfaceOptions};

use crate::config::Route;
use crate::ipv6::Ipv6Settings;

/// The settings of one interface.
#[derive(Debug, Clone, Default)]
pub(crate) struct InterfaceSettings {
    pub(crate) source: AddressSource,
    /// Static routes of IPv4.
    pub(crate) routes: Vec<Route>,
    pub(crate) ipv6: Ipv6Settings,
}

impl InterfaceSettings {
    pub(crate) fn new(options: &InterfaceOptions<'_>) -> Self {
        let routes = options.routes();
        let routes = routes.map(|route| Route::new(route.destination, route.prefix_length, Some(route.gateway)));
        let (ipv4, ipv6): (Vec<_>, Vec<_>) = routes.partition(|route| route.destination.is_ipv4());
        let settings = Ipv6Settings::from_words(options.ipv6);
        Self { source: options.source, routes: ipv4, ipv6: ipv6.into_iter().fold(settings, Ipv6Settings::with_route) }
    }
}
