//! The state of an interface: facts, link, configuration and counters.

use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::fmt;
use core::future::poll_fn;
use core::task::{Poll, Waker};

use embassy_time::{Duration, with_timeout};
use switchboard::config::Address;
use switchboard_runtime::command_line::AddressSource;
use switchboard_runtime::mark::mark;

use crate::config::{ConfigParts, ConfigSource, InterfaceConfig, log_changes, log_limit};
use crate::ipv6::Ipv6Settings;
use crate::mac::Mac;
use crate::marks::READY;
use crate::rate_limit::RateLimit;
use crate::stack;
use crate::traffic::Traffic;

/// How long [`InterfaceState::configured`] waits for an IPv4 address after an IPv6 address.
pub const IPV4_WAIT: Duration = Duration::from_secs(5);

/// The state of an interface, shared by its stack and those who show it.
///
/// ```
/// use switchboard::config::Address;
/// use switchboard_net::{AddressSource, InterfaceState, Mac};
///
/// let mac = Mac([2, 0, 0, 0, 0, 1]);
/// let state = InterfaceState::new(Address::new(0, 0, 2, 0), "e1000", mac, AddressSource::Dhcp, 0);
/// assert_eq!(format!("{state:?}"), "0000:00:02.0 e1000 02:00:00:00:00:01");
/// assert!(!state.is_up() && state.config().addresses.is_empty());
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
    /// What the command line sets for IPv6.
    pub(crate) ipv6: Ipv6Settings,
    /// Nanoseconds for which the card is polled after a frame, where that is faster than its interrupts; 0 for never.
    pub poll_budget_ns: u64,
    /// Its counters.
    pub traffic: Traffic,
    is_up: Cell<bool>,
    config: RefCell<ConfigParts>,
    log_limit: RefCell<RateLimit>,
    /// Counts the changes of the configuration.
    config_version: Cell<u64>,
    /// The name on the link by multicast DNS.
    local_name: RefCell<Option<String>>,
    /// Of the tasks that wait for a change of the configuration.
    config_wakers: RefCell<Vec<Waker>>,
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
        Self {
            function,
            driver,
            mac,
            source,
            ipv6: Ipv6Settings::default(),
            poll_budget_ns,
            traffic: Traffic::default(),
            is_up: Cell::new(false),
            config: RefCell::default(),
            log_limit: RefCell::new(log_limit()),
            config_version: Cell::new(0),
            local_name: RefCell::default(),
            config_wakers: RefCell::default(),
        }
    }

    /// Sets what the command line contributes to the configuration: servers, search domains, the host name.
    #[must_use]
    pub fn with_config(self, config: InterfaceConfig) -> Self {
        self.config.borrow_mut().set(ConfigSource::CommandLine, config);
        self
    }

    /// Sets IPv6 addresses, a gateway, or turns the automatic configuration or all of IPv6 off.
    #[must_use]
    pub fn with_ipv6(self, ipv6: Ipv6Settings) -> Self {
        Self { ipv6, ..self }
    }

    /// Returns whether the link is up.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.is_up.get()
    }

    /// Returns the configuration as it is now, from all its sources.
    #[must_use]
    pub fn config(&self) -> Rc<InterfaceConfig> {
        self.config.borrow().whole().clone()
    }

    /// Waits until the interface is configured, and returns the configuration: when it has an IPv4 address, also a
    /// link-local one (RFC 3927), or an IPv6 address beyond the link-local one, which it always has.
    ///
    /// With such an IPv6 address alone it waits [`IPV4_WAIT`] longer for an IPv4 address, unless IPv4 is off: an
    /// advertisement of a router often comes before the lease, and many peers have IPv4 alone. An interface whose DHCP
    /// server does not answer has a link-local address after about twelve seconds, and reaches the hosts of its link.
    /// [`routable`](Self::routable) waits for more.
    ///
    /// ```
    /// use switchboard_net_testing::TestNetwork;
    ///
    /// let network = TestNetwork::new();
    /// let mut configured = Box::pin(network.state().configured());
    /// let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    /// let std::task::Poll::Ready(config) = configured.as_mut().poll(&mut context) else { panic!("no address") };
    /// assert_eq!(config.addresses[0].to_string(), "10.0.0.1/24");
    /// ```
    pub async fn configured(&self) -> Rc<InterfaceConfig> {
        let config = self.config_when(InterfaceConfig::is_reachable).await;
        if self.source == AddressSource::Off || config.ipv4_address().is_some() {
            return config;
        }
        let ipv4 = self.config_when(|config| config.ipv4_address().is_some());
        with_timeout(IPV4_WAIT, ipv4).await.unwrap_or_else(|_| self.config())
    }

    /// Waits until the interface has an address that is valid beyond its link, of either protocol: one that is not
    /// link-local. Returns the configuration. It does not wait for the other protocol.
    ///
    /// ```
    /// use switchboard_net_testing::TestNetwork;
    ///
    /// let mut network = TestNetwork::new();
    /// let stack = network.stack().clone();
    /// let config = network.wait(async move { stack.state().routable().await });
    /// assert!(config.is_routable());
    /// ```
    pub async fn routable(&self) -> Rc<InterfaceConfig> {
        self.config_when(InterfaceConfig::is_routable).await
    }

    async fn config_when(&self, is_enough: fn(&InterfaceConfig) -> bool) -> Rc<InterfaceConfig> {
        loop {
            let version = self.config_version();
            let config = self.config();
            if is_enough(&config) {
                return config;
            }
            self.changed_since(version).await;
        }
    }

    /// Waits until the configuration has changed from the one that `version` counts. Returns its version.
    pub(crate) async fn changed_since(&self, version: u64) -> u64 {
        poll_fn(|context| {
            let current = self.config_version.get();
            if current != version {
                return Poll::Ready(current);
            }
            let mut wakers = self.config_wakers.borrow_mut();
            if !wakers.iter().any(|waker| waker.will_wake(context.waker())) {
                wakers.push(context.waker().clone());
            }
            Poll::Pending
        })
        .await
    }

    /// Returns the number of changes of the configuration, for [`changed_since`](Self::changed_since).
    pub(crate) fn config_version(&self) -> u64 {
        self.config_version.get()
    }

    /// Returns the name of this host on the link by multicast DNS, without `local`, once it is known to be unique.
    #[must_use]
    pub fn local_name(&self) -> Option<String> {
        self.local_name.borrow().clone()
    }

    pub(super) fn set_local_name(&self, name: Option<String>) {
        // A name that is being confirmed is the same until another is found.
        let Some(name) = name else { return };
        let mut current = self.local_name.borrow_mut();
        if current.as_ref() != Some(&name) {
            log::info!("net {}: name {name}.local", self.function);
            *current = Some(name);
        }
    }

    pub(super) fn link_changed(&self, is_up: bool) {
        self.is_up.set(is_up);
        match is_up {
            true => log::info!("net {}: link up", self.function),
            false => log::warn!("net {}: link down", self.function),
        }
    }

    /// Returns what `source` contributes to the configuration.
    pub(crate) fn config_part(&self, source: ConfigSource) -> InterfaceConfig {
        self.config.borrow().part(source).clone()
    }

    /// Replaces what `source` contributes to the configuration: logs what has changed, and wakes those who wait for a
    /// change. Returns whether there was one, which the stack has to apply.
    pub(crate) fn set_config(&self, source: ConfigSource, part: InterfaceConfig) -> bool {
        let Some(old) = self.config.borrow_mut().set(source, part) else { return false };
        let new = self.config();
        if new.is_reachable() && !old.is_reachable() {
            mark::<READY>();
        }
        if self.log_limit.borrow_mut().take(stack::now()) {
            log_changes(self.function, &old, &new);
        }
        self.config_version.set(self.config_version.get() + 1);
        self.config_wakers.borrow_mut().drain(..).for_each(Waker::wake);
        true
    }
}
