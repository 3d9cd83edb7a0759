//! A network function with a stack on it: one life, from its start until it is stopped.
//!
//! The driver, the stack, its sockets and the services are all part of one future. When that ends, all of it is gone,
//! whatever the services were in the middle of, and the memory is back.

use alloc::boxed::Box;
use alloc::rc::Rc;
use core::cell::{Cell, RefCell};
use core::fmt;
use core::ops::Deref;
use core::pin::Pin;
use core::task::{Context, Poll};

use embassy_futures::select::{Either, select};
use embassy_futures::yield_now;
use embassy_net::{Config, Ipv4Cidr, Stack, StackResources, StaticConfigV4};
use embassy_net_driver::{Driver, HardwareAddress};
use embassy_time::{Duration, with_timeout};
use self_cell::{MutBorrow, self_cell};
use switchboard::config::Address;

use super::counted::{Counted, Traffic};
use super::{chargen, discard, echo};
use crate::command_line::AddressSource;
use crate::devices::Found;
use crate::http;
use crate::tasks::{Crew, Tasks};

/// Sockets of a stack: those of the services, and one for DHCP.
pub const SOCKETS: usize = http::WORKERS + echo::SOCKETS + discard::SOCKETS + chargen::SOCKETS + 1;

/// How long a link may take to come up before that is said.
const LINK_PATIENCE: Duration = Duration::from_secs(2);

/// Adds to a stack's crew what an app serves there, besides the simple services that each stack has.
pub type Services = Rc<dyn for<'a> Fn(&mut Crew<'a>, Stack<'a>)>;

/// A network driver whose type is forgotten until its stack is made. Every embassy network driver is one.
pub trait Nic {
    /// Its Ethernet address.
    fn mac(&self) -> Mac;

    /// Makes a stack on the driver, with services on it; nothing runs yet.
    fn staff(self: Box<Self>, state: Rc<State>, seed: u64, services: &Services) -> StaffedStack;
}

impl<D: Driver + 'static> Nic for D {
    fn mac(&self) -> Mac {
        Mac::of(self.hardware_address())
    }

    fn staff(self: Box<Self>, state: Rc<State>, seed: u64, services: &Services) -> StaffedStack {
        StaffedStack::new(MutBorrow::new(Box::new(StackResources::new())), |memory| {
            let counted = Counted::new(*self, state.clone());
            let (stack, mut runner) = embassy_net::new(counted, state.wanted_config(), memory.borrow_mut(), seed);
            let mut crew = Crew::default();
            crew.add(async move {
                runner.run().await;
            });
            echo::start(&mut crew, stack);
            discard::start(&mut crew, stack);
            chargen::start(&mut crew, stack);
            crew.add(async move { state.follow(stack).await });
            services(&mut crew, stack);
            crew
        })
    }
}

self_cell! {
    /// A stack's memory, and all who borrow the stack: the driver among them, in the hands of the one who runs it.
    pub struct StaffedStack {
        owner: MutBorrow<Box<StackResources<SOCKETS>>>,
        #[not_covariant]
        dependent: Crew,
    }
}

/// An Ethernet address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mac([u8; 6]);

impl Mac {
    /// The address of an Ethernet driver; others have none, shown as zeros.
    fn of(address: HardwareAddress) -> Self {
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
        for index in 0..stack.with_dependent(|_, crew| crew.len()) {
            tasks.spawn(StandIn { stack: stack.clone(), index });
        }
        Self { state, stack }
    }

    /// Ends it, and waits until all that it had is given back.
    pub async fn stop(self) {
        self.stack.with_dependent(|_, crew| crew.end());
        // The tasks were woken, and let go of it when they are polled.
        while Rc::strong_count(&self.stack) > 1 {
            yield_now().await;
        }
        log::info!("net {}: ended", self.function);
    }
}

impl Drop for Interface {
    fn drop(&mut self) {
        self.stack.with_dependent(|_, crew| crew.end());
    }
}

impl Deref for Interface {
    type Target = State;
    fn deref(&self) -> &State {
        &self.state
    }
}

/// The task of one member of a stack's crew.
struct StandIn {
    stack: Rc<StaffedStack>,
    index: usize,
}

impl Future for StandIn {
    type Output = ();
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        self.stack.with_dependent(|_, crew| crew.poll(self.index, context))
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
    fn wanted_config(&self) -> Config {
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
    async fn follow(&self, stack: Stack<'_>) {
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
