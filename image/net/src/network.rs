//! All interfaces of a machine: they come and go with their cards.

use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::{Cell, OnceCell, Ref, RefCell};
use core::fmt;

use switchboard::config::Address;
use switchboard_runtime::devices::Found;
use switchboard_runtime::say;
use switchboard_runtime::system::{Pending, Subsystem, System};

use crate::{AddressSource, Interface, NetworkDevice, Services, State};

/// The interfaces of a machine. Started, it has a stack on every network card, there and to come.
pub struct Network {
    /// In order of address.
    interfaces: RefCell<Vec<Interface>>,
    /// What each interface serves.
    services: OnceCell<Services>,
    /// Where the IPv4 address of the first interface comes from.
    address: AddressSource,
    /// The function whose interface has that address: the first that was started.
    addressed: Cell<Option<Address>>,
    poll_budget_ns: u64,
}

impl Network {
    /// Makes a network that is not started yet, so that services may refer to it. The command line of `system` says where
    /// the first interface has its address from; the others ask by DHCP.
    #[must_use]
    pub fn new(system: &System) -> Rc<Self> {
        Rc::new(Self {
            interfaces: RefCell::default(),
            services: OnceCell::new(),
            address: system.options.address,
            addressed: Cell::new(None),
            poll_budget_ns: system.options.poll_budget_ns(),
        })
    }

    /// Starts a stack on each network card, there and to come, with these services on it. A second call changes nothing.
    pub async fn start(self: &Rc<Self>, system: &mut System, services: Services) {
        if self.services.set(services).is_err() {
            return;
        }
        system.add_subsystem(self.clone()).await;
        if self.interfaces.borrow().is_empty() {
            say!("no network: no function has a network driver");
        }
    }

    /// Returns the interfaces that are up, in order of address.
    #[must_use]
    pub fn interfaces(&self) -> Ref<'_, [Interface]> {
        Ref::map(self.interfaces.borrow(), Vec::as_slice)
    }

    async fn start_interface(&self, system: &mut System, card: Found<NetworkDevice>, services: &Services) {
        let seed = system.random().await;
        let first = self.addressed.get().unwrap_or(card.function);
        self.addressed.set(Some(first));
        let source = if first == card.function { self.address } else { AddressSource::Dhcp };
        let Found { function, driver, device: NetworkDevice(device) } = card;
        let state = State::new(function, driver, device.mac(), source, self.poll_budget_ns);
        let interface = Interface::start(system.tasks, state, device, seed, services);
        let mut interfaces = self.interfaces.borrow_mut();
        let place = interfaces.partition_point(|other| other.function < function);
        interfaces.insert(place, interface);
    }
}

impl Subsystem for Network {
    fn attached<'a>(&'a self, system: &'a mut System) -> Pending<'a, ()> {
        Box::pin(async {
            let Some(services) = self.services.get() else { return };
            for card in system.devices.take_all() {
                self.start_interface(system, card, services).await;
            }
        })
    }

    fn detach(&self, function: Address) -> Pending<'_, bool> {
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
