//! A network function with a stack on it: how it gets its address, and what it says about it.

use alloc::boxed::Box;
use core::fmt;

use embassy_executor::Spawner;
use embassy_futures::select::{Either, select};
use embassy_net::{Config, Ipv4Cidr, Runner, Stack, StackResources, StaticConfigV4};
use embassy_net_driver::{Driver, HardwareAddress};
use embassy_time::{Duration, with_timeout};
use switchboard::config::Address;

use super::counted::{Counted, Traffic};
use super::{chargen, discard, echo};
use crate::command_line::AddressSource;
use crate::http;
use crate::tasks::spawn;

/// Sockets of a stack: those of the services, and one for DHCP.
pub const SOCKETS: usize = http::WORKERS + echo::SOCKETS + discard::SOCKETS + chargen::SOCKETS + 1;

/// How long a link may take to come up before that is said.
const LINK_PATIENCE: Duration = Duration::from_secs(2);

/// A network driver whose type is forgotten until its stack is made. Every embassy network driver is one.
pub trait Nic {
    /// Makes a stack on the driver and keeps it running.
    fn start(self: Box<Self>, spawner: Spawner, config: Config, seed: u64) -> (Stack<'static>, &'static Traffic, Mac);
}

impl<D: Driver + 'static> Nic for D {
    fn start(self: Box<Self>, spawner: Spawner, config: Config, seed: u64) -> (Stack<'static>, &'static Traffic, Mac) {
        let traffic: &'static Traffic = Box::leak(Box::default());
        let mac = Mac::of(self.hardware_address());
        let resources = Box::leak(Box::new(StackResources::<SOCKETS>::new()));
        let (stack, runner) = embassy_net::new(Counted::new(*self, traffic), config, resources, seed);
        spawn(spawner, run(runner));
        (stack, traffic, mac)
    }
}

async fn run<D: Driver>(mut runner: Runner<'static, D>) {
    runner.run().await;
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

/// One stack, and what it stands on.
#[derive(Clone, Copy)]
pub struct Interface {
    /// The network function.
    pub function: Address,
    /// Its driver.
    pub driver: &'static str,
    /// Its Ethernet address.
    pub mac: Mac,
    /// Whether its address comes from DHCP or from the command line.
    pub source: AddressSource,
    /// What went through.
    pub traffic: &'static Traffic,
    /// The stack.
    pub stack: Stack<'static>,
}

impl fmt::Debug for Interface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.function, self.driver, self.mac)
    }
}

/// Starts a stack with the simple services (echo, discard, chargen) on a network function.
pub fn start(
    spawner: Spawner,
    nic: Box<dyn Nic>,
    (function, driver): (Address, &'static str),
    source: AddressSource,
    seed: u64,
) -> Interface {
    let config = match source {
        AddressSource::Dhcp => Config::dhcpv4(embassy_net::DhcpConfig::default()),
        AddressSource::Static { address, prefix, gateway } => Config::ipv4_static(StaticConfigV4 {
            address: Ipv4Cidr::new(address, prefix),
            gateway,
            dns_servers: Default::default(),
        }),
    };
    let (stack, traffic, mac) = nic.start(spawner, config, seed);
    let interface = Interface { function, driver, mac, source, traffic, stack };
    log::info!("net {function}: {driver}, mac {mac}");
    echo::start(spawner, stack);
    discard::start(spawner, stack);
    chargen::start(spawner, stack);
    spawn(spawner, report(interface));
    interface
}

/// Says when the link and the address come and go. The only task that waits for a stack's state: there is room
/// for one waker.
async fn report(interface: Interface) {
    let Interface { function, stack, source, .. } = interface;
    let by = if source == AddressSource::Dhcp { "dhcp" } else { "command line" };
    // Cards take a moment to report their link; only one that is really down is worth a line.
    if with_timeout(LINK_PATIENCE, stack.wait_link_up()).await.is_err() {
        log::warn!("net {function}: link down");
    }
    loop {
        stack.wait_link_up().await;
        log::info!("net {function}: link up");
        loop {
            if let Either::First(()) = select(stack.wait_link_down(), stack.wait_config_up()).await {
                break;
            }
            if let Some(config) = stack.config_v4() {
                log::info!("net {function}: address {} by {by}", config.address);
                if let Some(gateway) = config.gateway {
                    log::info!("net {function}: gateway {gateway}");
                }
            }
            if let Either::First(()) = select(stack.wait_link_down(), stack.wait_config_down()).await {
                break;
            }
            log::warn!("net {function}: address lost");
        }
        log::warn!("net {function}: link down");
    }
}
