//! A network function with a stack on it: one life, from its start until it is stopped.
//!
//! The driver, the stack, its sockets and the services end together, whatever they are in the middle of, and all the
//! memory comes back.

use alloc::boxed::Box;
use alloc::rc::Rc;
use core::cell::{Cell, RefCell};
use core::fmt;
use core::ops::Deref;

use embassy_futures::select::{Either, select};
use embassy_net::{Config, Ipv4Cidr, Stack, StaticConfigV4};
use embassy_net_driver::HardwareAddress;
use embassy_time::{Duration, with_timeout};
use switchboard::config::Address;

use super::counted::Traffic;
use super::staffed::{Nic, Services, StaffedStack};
use crate::command_line::AddressSource;
use crate::devices::Found;
use crate::tasks::Tasks;

/// How long a link may take to come up before that is said.
const LINK_PATIENCE: Duration = Duration::from_secs(2);

/// An Ethernet address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mac([u8; 6]);

impl Mac {
    /// The address of an Ethernet driver; others have none, shown as zeros.
    pub(super) fn of(address: HardwareAddress) -> Self {
        match address {
            HardwareAddress::Ethernet(bytes) => Self(bytes),
            _ => Self([0; 6]),
        }
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

/// A network function with a stack on it. Dropping it ends it all: connections break off, the driver is dropped.
pub struct Interface {
    state: Rc<State>,
    stack: Rc<StaffedStack>,
}

impl Interface {
    /// Starts a stack on a network function, with the simple services (echo, discard, chargen) and the app's.
    #[must_use]
    pub fn start(
        tasks: Tasks,
        Found { function, driver, device }: Found<Box<dyn Nic>>,
        source: AddressSource,
        seed: u64,
        services: &Services,
    ) -> Self {
        let state = Rc::new(State::new(function, driver, device.mac(), source));
        log::info!("net {function}: {driver}, mac {}", state.mac);
        let stack = Rc::new(device.staff(state.clone(), seed, services));
        stack.start(tasks);
        Self { state, stack }
    }

    /// Ends it, and waits until all that it had is given back.
    pub async fn stop(self) {
        self.stack.end();
        self.stack.ended().await;
        log::info!("net {}: ended", self.function);
    }
}

impl Drop for Interface {
    fn drop(&mut self) {
        self.stack.end();
    }
}

impl Deref for Interface {
    type Target = State;
    fn deref(&self) -> &State {
        &self.state
    }
}

/// What is known of an interface.
pub struct State {
    /// The network function.
    pub function: Address,
    /// Its driver.
    pub driver: &'static str,
    /// Its Ethernet address.
    pub mac: Mac,
    /// Whether its address comes from DHCP or from the command line.
    pub source: AddressSource,
    /// What went through.
    pub traffic: Traffic,
    is_up: Cell<bool>,
    config: RefCell<Option<StaticConfigV4>>,
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.function, self.driver, self.mac)
    }
}

impl fmt::Debug for Interface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.state.fmt(f)
    }
}

impl State {
    fn new(function: Address, driver: &'static str, mac: Mac, source: AddressSource) -> Self {
        let (traffic, is_up, config) = (Traffic::default(), Cell::new(false), RefCell::default());
        Self { function, driver, mac, source, traffic, is_up, config }
    }

    /// Whether the link is up.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.is_up.get()
    }

    /// Its address and gateway, once it has them.
    #[must_use]
    pub fn config(&self) -> Option<StaticConfigV4> {
        self.config.borrow().clone()
    }

    /// What the stack is told about its address.
    pub(super) fn wanted_config(&self) -> Config {
        match self.source {
            AddressSource::Dhcp => Config::dhcpv4(embassy_net::DhcpConfig::default()),
            AddressSource::Static { address, prefix, gateway } => Config::ipv4_static(StaticConfigV4 {
                address: Ipv4Cidr::new(address, prefix),
                gateway,
                dns_servers: Default::default(),
            }),
        }
    }

    /// Follows the link and the address, and says when they come and go. The only one who waits for a stack's state:
    /// there is room for one waker.
    pub(super) async fn follow(&self, stack: Stack<'_>) {
        let function = self.function;
        let by = if self.source == AddressSource::Dhcp { "dhcp" } else { "command line" };
        // Cards take a moment to report their link; only one that is really down is worth a line.
        if with_timeout(LINK_PATIENCE, stack.wait_link_up()).await.is_err() {
            log::warn!("net {function}: link down");
        }
        loop {
            stack.wait_link_up().await;
            self.is_up.set(true);
            log::info!("net {function}: link up");
            while let Either::Second(()) = select(stack.wait_link_down(), stack.wait_config_up()).await {
                let config = stack.config_v4();
                if let Some(config) = &config {
                    log::info!("net {function}: address {} by {by}", config.address);
                    if let Some(gateway) = config.gateway {
                        log::info!("net {function}: gateway {gateway}");
                    }
                }
                self.config.replace(config);
                let Either::Second(()) = select(stack.wait_link_down(), stack.wait_config_down()).await else { break };
                self.config.replace(None);
                log::warn!("net {function}: address lost");
            }
            self.is_up.set(false);
            log::warn!("net {function}: link down");
        }
    }
}
