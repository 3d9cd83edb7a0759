//! The state of an interface: facts, link, address and counters.

use core::cell::{Cell, RefCell};
use core::fmt;

use switchboard::config::Address;
use switchboard_runtime::command_line::AddressSource;
use switchboard_runtime::mark::mark;

use crate::ipv4_config::Ipv4Config;
use crate::mac::Mac;
use crate::marks::READY;
use crate::traffic::Traffic;

/// The state of an interface, shared by its stack and those who show it.
///
/// ```
/// use switchboard::config::Address;
/// use switchboard_net::{AddressSource, InterfaceState, Mac};
///
/// let mac = Mac([2, 0, 0, 0, 0, 1]);
/// let state = InterfaceState::new(Address::new(0, 0, 2, 0), "e1000", mac, AddressSource::Dhcp, 0);
/// assert_eq!(format!("{state:?}"), "0000:00:02.0 e1000 02:00:00:00:00:01");
/// assert!(!state.is_up() && state.config().is_none());
/// ```
#[non_exhaustive]
pub struct InterfaceState {
    /// The PCI address of the network function.
    pub function: Address,
    /// The name of its driver.
    pub driver: &'static str,
    /// Its Ethernet address.
    pub mac: Mac,
    /// Where its IPv4 address comes from.
    pub source: AddressSource,
    /// Nanoseconds for which the card is polled after a frame, where that is faster than its interrupts; 0 for never.
    pub poll_budget_ns: u64,
    /// Its counters.
    pub traffic: Traffic,
    is_up: Cell<bool>,
    config: RefCell<Option<Ipv4Config>>,
}

impl fmt::Debug for InterfaceState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.function, self.driver, self.mac)
    }
}

impl InterfaceState {
    /// Creates the state of an interface whose link is down and that has no address yet.
    #[must_use]
    pub fn new(function: Address, driver: &'static str, mac: Mac, source: AddressSource, poll_budget_ns: u64) -> Self {
        let (traffic, is_up, config) = (Traffic::default(), Cell::new(false), RefCell::default());
        Self { function, driver, mac, source, poll_budget_ns, traffic, is_up, config }
    }

    /// Returns whether the link is up.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.is_up.get()
    }

    /// Returns the IPv4 configuration, once the interface has one.
    #[must_use]
    pub fn config(&self) -> Option<Ipv4Config> {
        *self.config.borrow()
    }

    pub(super) fn link_changed(&self, is_up: bool) {
        self.is_up.set(is_up);
        match is_up {
            true => log::info!("net {}: link up", self.function),
            false => log::warn!("net {}: link down", self.function),
        }
    }

    pub(super) fn config_changed(&self, config: Option<Ipv4Config>) {
        let function = self.function;
        let by = if self.source == AddressSource::Dhcp { "dhcp" } else { "command line" };
        match &config {
            Some(config) => {
                mark::<READY>();
                log::info!("net {function}: address {config} by {by}");
                if let Some(gateway) = config.gateway {
                    log::info!("net {function}: gateway {gateway}");
                }
            }
            // A DHCP client begins without a lease, which is not the loss of one.
            None if self.config.borrow().is_none() => {}
            None => log::warn!("net {function}: address lost"),
        }
        self.config.replace(config);
    }
}
