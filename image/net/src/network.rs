//! All network interfaces of a machine, which are hot-plugged with their cards.

use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::{OnceCell, Ref, RefCell};
use core::fmt;

use switchboard::config::Address;
use switchboard_runtime::devices::Found;
use switchboard_runtime::say;
use switchboard_runtime::sort;
use switchboard_runtime::system::{LocalBoxFuture, Subsystem, System};

use crate::config::InterfaceConfig;
use crate::interface::{Interface, Services};
use crate::interface_settings::InterfaceSettings;
use crate::interface_state::InterfaceState;
use crate::network_device::NetworkDevice;
use crate::services::start_simple_services;
use switchboard_runtime::command_line::SimpleServices;

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
    /// What the command line sets for each interface.
    settings: Vec<InterfaceSettings>,
    /// The functions in the order in which they count for the command line: those of the start by PCI address, then those
    /// that were plugged in. One that comes back has the settings that it had.
    numbered: RefCell<Vec<Address>>,
    /// What the command line contributes to the configuration of each interface.
    config: InterfaceConfig,
    poll_budget_ns: u64,
}

impl Network {
    /// Creates a network that is not started yet, so that services may refer to it. The interfaces have
    /// their addresses from where the command line of `system` sets them: `ip=`, `ip1=` and so on.
    #[must_use]
    pub fn new(system: &System) -> Rc<Self> {
        Rc::new(Self {
            simple_services: system.options.services,
            settings: system.options.interfaces.iter().map(InterfaceSettings::new).collect(),
            config: InterfaceConfig::from_options(&system.options),
            poll_budget_ns: system.options.poll_budget_ns(),
            ..Self::with_interfaces(Vec::new())
        })
    }

    /// Creates a network of these interfaces, without options.
    pub(crate) fn with_interfaces(mut interfaces: Vec<Interface>) -> Self {
        sort::by(&mut interfaces, |one, other| one.function < other.function);
        Self {
            interfaces: RefCell::new(interfaces),
            services: OnceCell::new(),
            simple_services: SimpleServices::NONE,
            settings: Vec::new(),
            numbered: RefCell::default(),
            config: InterfaceConfig::default(),
            poll_budget_ns: 0,
        }
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

    /// Returns the number of a function for the command line.
    fn number(&self, function: Address) -> usize {
        let mut numbered = self.numbered.borrow_mut();
        numbered.iter().position(|other| *other == function).unwrap_or_else(|| {
            numbered.push(function);
            numbered.len() - 1
        })
    }

    async fn start_interface(&self, system: &mut System, card: Found<NetworkDevice>, services: &Services) {
        let seed = system.random().await;
        let Found { function, driver, device: NetworkDevice(device) } = card;
        let settings = self.settings.get(self.number(function)).cloned().unwrap_or_default();
        let mut config = self.config.clone();
        config.routes.extend_from_slice(&settings.routes);
        settings.routes.iter().for_each(|route| log::info!("net {function}: route {route}"));
        let state = InterfaceState::new(function, driver, device.mac(), settings.source, self.poll_budget_ns)
            .with_config(config)
            .with_ipv6(settings.ipv6);
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
            let mut cards = system.devices.take_all();
            sort::by(&mut cards, |one: &Found<NetworkDevice>, other| one.function < other.function);
            for card in cards {
                self.start_interface(system, card, services).await;
            }
        })
    }

    fn stop(&self) -> LocalBoxFuture<'_, ()> {
        Box::pin(async {
            let interfaces = self.interfaces.take();
            for interface in interfaces {
                interface.stack().withdraw().await;
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
