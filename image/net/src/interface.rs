//! A network function with a stack on it: one life, from its start until it is stopped.
//!
//! The driver, the stack, its sockets and the services end together, whatever they are in the middle of, and all the
//! memory comes back.

use alloc::boxed::Box;
use alloc::rc::Rc;
use core::cell::{Cell, RefCell};
use core::fmt;
use core::net::Ipv4Addr;
use core::ops::Deref;

use smoltcp::wire::Ipv4Cidr;
use switchboard::config::Address;

use super::nic::Nic;
use super::stack::Stack;
use super::{AddressSource, Traffic, chargen, discard, echo};
use crate::marks::READY;
use switchboard_runtime::mark::mark;
use switchboard_runtime::tasks::{TaskGroup, Tasks};

/// An Ethernet address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mac(pub [u8; 6]);

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

/// An address, and whom to ask beyond its network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The address, with its network.
    pub address: Ipv4Cidr,
    /// The way to all other networks.
    pub gateway: Option<Ipv4Addr>,
}

/// Adds to a stack's group what an app serves there, besides the simple services that each stack has.
pub type Services = Rc<dyn Fn(&Rc<TaskGroup>, &Stack)>;

/// A network function with a stack on it. Dropping it ends it all: connections break off, the driver is dropped.
pub struct Interface {
    state: Rc<State>,
    group: Rc<TaskGroup>,
}

impl Interface {
    /// Starts a stack on a network function, with the simple services (echo, discard, chargen) and the app's.
    #[must_use]
    pub fn start(tasks: Tasks, state: State, device: Box<dyn Nic>, seed: u64, services: &Services) -> Self {
        let state = Rc::new(state);
        log::info!("net {}: {}, mac {}", state.function, state.driver, state.mac);
        let (stack, runner) = Stack::new(device, state.clone(), seed);
        let group = Rc::new(TaskGroup::new(tasks));
        group.add(runner);
        echo::start(&group, &stack);
        discard::start(&group, &stack);
        chargen::start(&group, &stack);
        services(&group, &stack);
        Self { state, group }
    }

    /// Ends it, and waits until all that it had is given back.
    pub async fn stop(self) {
        self.group.end();
        self.group.ended().await;
        log::info!("net {}: ended", self.function);
    }
}

impl Drop for Interface {
    fn drop(&mut self) {
        self.group.end();
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
    /// Nanoseconds for which the card is polled after a frame, where that is faster than its interrupts; 0 for never.
    pub poll_budget_ns: u64,
    /// What went through.
    pub traffic: Traffic,
    is_up: Cell<bool>,
    config: RefCell<Option<Config>>,
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
    /// What is known at first.
    #[must_use]
    pub fn new(function: Address, driver: &'static str, mac: Mac, source: AddressSource, poll_budget_ns: u64) -> Self {
        let (traffic, is_up, config) = (Traffic::default(), Cell::new(false), RefCell::default());
        Self { function, driver, mac, source, poll_budget_ns, traffic, is_up, config }
    }

    /// Whether the link is up.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.is_up.get()
    }

    /// Its address and gateway, once it has them.
    #[must_use]
    pub fn config(&self) -> Option<Config> {
        self.config.borrow().clone()
    }

    pub(super) fn link_changed(&self, is_up: bool) {
        self.is_up.set(is_up);
        match is_up {
            true => log::info!("net {}: link up", self.function),
            false => log::warn!("net {}: link down", self.function),
        }
    }

    pub(super) fn config_changed(&self, config: Option<Config>) {
        let function = self.function;
        let by = if self.source == AddressSource::Dhcp { "dhcp" } else { "command line" };
        match &config {
            Some(config) => {
                mark::<READY>();
                log::info!("net {function}: address {} by {by}", config.address);
                if let Some(gateway) = config.gateway {
                    log::info!("net {function}: gateway {gateway}");
                }
            }
            // A DHCP client begins by having none.
            None if self.config.borrow().is_none() => {}
            None => log::warn!("net {function}: address lost"),
        }
        self.config.replace(config);
    }
}
