//! A network function with a stack on it, from its start until it is stopped.
//!
//! The driver, the stack, its sockets and the services end together, whatever they are in the middle of, and all the
//! memory comes back.

use alloc::boxed::Box;
use alloc::rc::Rc;
use core::fmt;
use core::ops::Deref;

use switchboard_runtime::tasks::{TaskGroup, Tasks};

use crate::interface_state::InterfaceState;
use crate::nic::Nic;
#[cfg(feature = "sntp")]
use crate::sntp::keep_time;
use crate::stack::Stack;

/// Adds an app's services to the group of a new stack.
pub type Services = Rc<dyn Fn(&Rc<TaskGroup>, &Stack)>;

/// A network function with a stack and services on it. Dropping it ends its tasks, sockets and driver without a last frame.
///
/// [`Network`](crate::Network) starts one for each network card. On the host, a card made of memory does:
///
/// ```
/// use std::rc::Rc;
/// use switchboard::config::Address;
/// use switchboard_net::{AddressSource, Interface, InterfaceState, Nic, Services};
/// use switchboard_net_testing::{TestCard, TestNetwork};
///
/// let mut host = TestNetwork::new();
/// let (card, _peer) = TestCard::pair();
/// let source = AddressSource::Static { address: [10, 0, 0, 9].into(), prefix: 24, gateway: None };
/// let state = InterfaceState::new(Address::new(0, 0, 2, 0), "test", Nic::mac(&card), source, 0);
/// let services: Services = Rc::new(|_group, _stack| {});
/// let interface = Interface::start(host.tasks(), state, Box::new(card), 1, &services);
/// host.step();
/// host.step();
/// assert!(interface.is_up());
/// assert_eq!(interface.config().addresses[0].to_string(), "10.0.0.9/24");
/// ```
pub struct Interface {
    state: Rc<InterfaceState>,
    stack: Stack,
    group: Rc<TaskGroup>,
}

impl Interface {
    /// Starts a stack on a network function, with these services. `seed` is random: sequence numbers and ports begin there.
    #[must_use]
    pub fn start(tasks: Tasks, state: InterfaceState, device: Box<dyn Nic>, seed: u64, services: &Services) -> Self {
        let state = Rc::new(state);
        log::info!("net {}: {}, mac {}", state.function, state.driver, state.mac);
        let (stack, runner) = Stack::new(device, state.clone(), seed);
        let group = Rc::new(TaskGroup::new(tasks));
        group.add(runner);
        #[cfg(feature = "sntp")]
        group.add(keep_time(stack.clone()));
        services(&group, &stack);
        Self { state, stack, group }
    }

    /// Returns the stack, to create sockets.
    #[must_use]
    pub fn stack(&self) -> &Stack {
        &self.stack
    }

    /// [Withdraws](Stack::withdraw) from the network, stops the interface, and waits until all its tasks have released their memory
    /// and the driver is dropped.
    pub async fn stop(self) {
        self.stack.withdraw().await;
        self.group.end();
        self.group.ended().await;
        // Tasks outside the group may have streams.
        self.stack.end_connections();
        log::info!("net {}: ended", self.function);
    }
}

impl Drop for Interface {
    fn drop(&mut self) {
        self.group.end();
    }
}

impl Deref for Interface {
    type Target = InterfaceState;
    fn deref(&self) -> &InterfaceState {
        &self.state
    }
}

impl fmt::Debug for Interface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.state.fmt(f)
    }
}
