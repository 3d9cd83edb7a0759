//! All network interfaces of a machine, which are hot-plugged with their cards.

use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::{Cell, OnceCell, Ref, RefCell};
use core::fmt;

use switchboard::config::Address;
use switchboard_runtime::devices::Found;
use switchboard_runtime::say;
use switchboard_runtime::system::{LocalBoxFuture, Subsystem, System};

use crate::config::InterfaceConfig;
use crate::interface::{Interface, Services};
use crate::interface_state::InterfaceState;
use crate::ipv6::Ipv6Settings;
use crate::network_device::NetworkDevice;
use crate::services::start_simple_services;
use switchboard_runtime::command_line::{AddressSource, SimpleServices};

/// The interfaces of a machine: once started, a stack on each network card, also on those that are plugged in later.
///
/// ```no_run
/// use std::rc::Rc;
/// use switchboard_net::{Network, Service, TcpStream};
/// use switchboard_runtime::system::System;
///
/// async fn start(system: &mut System) -> Rc<Network> {
///     let network = Network::new(system);
///     let greet = async |socket: &Rc<TcpStream>| {
///         let _ = socket.write(b"hello\n").await;
///     };
///     let service =
///         Service { port: 4000, receive_bytes: 64, transmit_bytes: 1024, backlog: 2, max_connections: 8 };
///     network.start(system, Rc::new(move |group, stack| service.start(group, stack, greet))).await;
///     network
/// }
/// ```
pub struct Network {
    /// In order of their PCI addresses.
    interfaces: RefCell<Vec<Interface>>,
    /// The app's services, for each interface.
    services: OnceCell<Services>,
    /// The simple services of each interface.
    simple_services: SimpleServices,
    /// Where the IPv4 address of the first interface comes from.
    address: AddressSource,
    /// What is set for IPv6 on the first interface.
    ipv6: Ipv6Settings,
    /// The function whose interface has that address: that of the first that was started.
    first: Cell<Option<Address>>,
    /// What the command line contributes to the configuration of each interface.
    config: InterfaceConfig,
    poll_budget_ns: u64,
}

impl Network {
    /// Creates a network that is not started yet, so that services may refer to it. The first interface has its address
    /// from where the command line of `system` sets it, the others use DHCP.
    #[must_use]
    pub fn new(system: &System) -> Rc<Self> {
        Rc::new(Self {
            interfaces: RefCell::default(),
            services: OnceCell::new(),
            simple_services: system.options.services,
            address: system.options.address,
            ipv6: Ipv6Settings::from_words(system.options.ipv6),
            config: InterfaceConfig::from_options(&system.options),
            first: Cell::new(None),
            poll_budget_ns: system.options.poll_budget_ns(),
        })
    }

    /// Starts a stack with these services on each network card, also on those that are plugged in later; and with the
    /// simple services that the command line selects. Does nothing on a second call.
    pub async fn start(self: &Rc<Self>, system: &mut System, services: Services) {
        if self.services.set(services).is_err() {
            return;
        }
        system.add_subsystem(self.clone()).await;
        if self.interfaces.borrow().is_empty() {
            say!("no network: no function has a network driver");
        }
    }

    /// Returns the interfaces, in order of their PCI addresses.
    #[must_use]
    pub fn interfaces(&self) -> Ref<'_, [Interface]> {
        Ref::map(self.interfaces.borrow(), Vec::as_slice)
    }

    async fn start_interface(&self, system: &mut System, card: Found<NetworkDevice>, services: &Services) {
        let seed = system.random().await;
        let first = self.first.get().unwrap_or(card.function);
        self.first.set(Some(first));
        let source = if first == card.function { self.address } else { AddressSource::Dhcp };
        let Found { function, driver, device: NetworkDevice(device) } = card;
        let ipv6 = if first == function { self.ipv6.clone() } else { Ipv6Settings::default() };
        let state = InterfaceState::new(function, driver, device.mac(), source, self.poll_budget_ns)
            .with_config(self.config.clone())
            .with_ipv6(ipv6);
        let simple = self.simple_services;
        let app = services.clone();
        let services: Services = Rc::new(move |group, stack| {
            start_simple_services(simple, group, stack);
            app(group, stack);
        });
        let interface = Interface::start(system.tasks, state, device, seed, &services);
        let mut interfaces = self.interfaces.borrow_mut();
        let place = interfaces.partition_point(|other| other.function < function);
        interfaces.insert(place, interface);
    }
}

impl Subsystem for Network {
    fn attached<'a>(&'a self, system: &'a mut System) -> LocalBoxFuture<'a, ()> {
        Box::pin(async {
            let Some(services) = self.services.get() else { return };
            for card in system.devices.take_all() {
                self.start_interface(system, card, services).await;
            }
        })
    }

    fn detach(&self, function: Address) -> LocalBoxFuture<'_, bool> {
        Box::pin(async move {
            let interface = {
                let mut interfaces = self.interfaces.borrow_mut();
                let place = interfaces.iter().position(|interface| interface.function == function);
                place.map(|place| interfaces.remove(place))
            };
            let Some(interface) = interface else { return false };
            interface.stop().await;
            true
        })
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.interfaces.borrow().iter()).finish()
    }
}
