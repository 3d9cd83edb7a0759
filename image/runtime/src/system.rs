//! What an app gets: the machine, its devices, and what the command line says.

use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::fmt;

use embassy_time::{Duration, TimeoutError, Timer, with_timeout};
use switchboard::config::Address;
use switchboard::machine::Machine;
use switchboard_drivers::hotplug::{HotplugPort, SlotChange};
use switchboard_x86_64 as arch;

use crate::apps;
use crate::command_line::Options;
use crate::devices::{DeviceOptions, Devices, Found, RandomSource};
use crate::drivers::DRIVERS;
use crate::network::{AddressSource, Interface, Services, State};
use crate::nic::NetworkDevice;
use crate::slots::Slots;
use crate::tasks::Tasks;
use crate::{say, table};

/// A source of randomness may run dry; the network does not wait for it longer.
const RANDOM_PATIENCE: Duration = Duration::from_millis(500);

/// How often lines are looked after that were masked because nobody claimed them.
const TENDING: Duration = Duration::from_millis(100);
/// How often lines are looked at that may have been silenced.
const HEALING: Duration = Duration::from_millis(500);

/// The interfaces that are up, in order of address. Who shows them has a copy, and sees them come and go.
pub type Interfaces = Rc<RefCell<Vec<Interface>>>;

/// Everything an app works with. It owns the devices.
pub struct System {
    /// Starts tasks.
    pub tasks: Tasks,
    /// The machine.
    pub machine: &'static Machine,
    /// The devices that are up; network cards only until their interfaces are started.
    pub devices: Devices,
    /// The interfaces that are up.
    pub interfaces: Interfaces,
    /// Where the IPv4 address of the first interface comes from.
    pub address: AddressSource,
    /// The app's own words of the command line.
    pub arguments: &'static str,
    /// What each interface serves, once the network was started.
    services: Option<Services>,
    slots: Slots,
    /// Nanoseconds for which a network card is polled after a frame, where that is faster than its interrupts.
    pub patience: u64,
    /// Milliseconds within which a wish at a slot's attention button can be taken back.
    grace: u32,
    /// The function whose interface has the address of the command line: the first that was started.
    addressed: Option<Address>,
}

impl fmt::Debug for System {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("System").field("devices", &self.devices).finish_non_exhaustive()
    }
}

/// Brings the devices up and runs the app; the machine ends when the app does.
pub async fn run(tasks: Tasks, machine: &'static Machine, options: Options<'static>) {
    tasks.spawn(retry_stormed_lines(machine));
    tasks.spawn(clear_stuck_remote_irr(machine));
    let patience = u64::from(options.poll) * 1000;
    let mut devices = Devices::new(DRIVERS, DeviceOptions { poll_budget_ns: patience });
    devices.probe(machine);
    table::print(machine);
    let Some(app) = apps::find(options.app) else {
        say!("no app `{}`: the apps are {}", options.app, apps::names());
        arch::power::exit(false);
    };
    let (address, arguments) = (options.address, options.arguments);
    let interfaces = Interfaces::default();
    let (services, addressed) = (None, None);
    let (slots, grace) = (Slots::default(), options.grace);
    let system =
        System { tasks, machine, devices, interfaces, address, arguments, services, slots, patience, grace, addressed };
    match (app.run)(system).await {
        Ok(()) => arch::power::exit(true),
        Err(error) => {
            say!("{}: {error}", app.name);
            arch::power::exit(false);
        }
    }
}

/// Looks after lines while there is a storm; takes no time while there is none.
async fn retry_stormed_lines(machine: &'static Machine) {
    loop {
        machine.storm().await;
        while machine.has_storm() {
            Timer::after(TENDING).await;
            machine.retry_stormed_lines();
        }
    }
}

/// Brings back lines that a forged message has silenced.
async fn clear_stuck_remote_irr(machine: &'static Machine) {
    loop {
        Timer::after(HEALING).await;
        machine.clear_stuck_remote_irr();
    }
}

impl System {
    /// Starts a stack on each network function, there and to come, with these services on it. An address of the command
    /// line goes to the first; the others ask by DHCP.
    pub async fn start_network(&mut self, services: Services) {
        self.services = Some(services);
        self.start_interfaces().await;
        if self.interfaces.borrow().is_empty() {
            say!("no network: no function has a network driver");
        }
    }

    /// Offers a function to the drivers: one that has come, or that was detached. Its interface is started if it is a
    /// network card. Says whether a driver took it.
    pub async fn attach(&mut self, function: Address) -> bool {
        let Some(function) = self.machine.take(function) else { return false };
        let is_taken = self.devices.attach(function);
        self.start_interfaces().await;
        is_taken
    }

    /// Takes a function's device away from whoever uses it. When this is ready, its driver is dropped, and what it
    /// had is back. Says whether there was one.
    pub async fn detach(&mut self, function: Address) -> bool {
        let interface = {
            let mut interfaces = self.interfaces.borrow_mut();
            let place = interfaces.iter().position(|interface| interface.function == function);
            place.map(|place| interfaces.remove(place))
        };
        if let Some(interface) = interface {
            interface.stop().await;
            return true;
        }
        self.slots.remove(function).await || self.devices.detach(function).await
    }

    /// Waits until functions come or go at a slot, and has attached or detached their devices.
    pub async fn change(&mut self) {
        for port in self.devices.take_all::<HotplugPort>() {
            self.slots.watch(self.tasks, port, self.grace);
        }
        let (port, change) = self.slots.next().await;
        match change {
            SlotChange::Added => {
                self.machine.scan();
                for function in self.slots.behind(port) {
                    self.attach(function).await;
                }
            }
            SlotChange::RemovalAsked => {
                self.detach_behind(port).await;
                self.slots.release(port);
            }
            SlotChange::Gone => self.detach_behind(port).await,
        }
    }

    /// What is behind a bridge goes before the bridge.
    async fn detach_behind(&mut self, port: Address) {
        for function in self.slots.behind(port).into_iter().rev() {
            self.detach(function).await;
        }
    }

    /// Starts interfaces on the network cards that have none, once it is known what to serve there.
    async fn start_interfaces(&mut self) {
        let Some(services) = self.services.clone() else { return };
        for found in self.devices.take_all::<NetworkDevice>() {
            let interface = self.start_interface(found, &services).await;
            let mut interfaces = self.interfaces.borrow_mut();
            let place = interfaces.partition_point(|other| other.function < interface.function);
            interfaces.insert(place, interface);
        }
    }

    async fn start_interface(&mut self, nic: Found<NetworkDevice>, services: &Services) -> Interface {
        let seed = self.random().await;
        let is_addressed = *self.addressed.get_or_insert(nic.function) == nic.function;
        let source = if is_addressed { self.address } else { AddressSource::Dhcp };
        let Found { function, driver, device: NetworkDevice(device) } = nic;
        let state = State::new(function, driver, device.mac(), source, self.patience);
        Interface::start(self.tasks, state, device, seed, services)
    }

    /// Random bits: the CPU's, and those of every device that has some.
    async fn random(&mut self) -> u64 {
        let mut bits = arch::random_seed();
        for rng in self.devices.iter_mut::<RandomSource>() {
            let mut bytes = [0; 8];
            match with_timeout(RANDOM_PATIENCE, rng.device.fill(&mut bytes)).await {
                Ok(Ok(())) => bits ^= u64::from_le_bytes(bytes),
                Ok(Err(error)) => log::warn!("{}: {error}", rng.function),
                Err(TimeoutError) => log::warn!("{}: no random bytes in time", rng.function),
            }
        }
        bits
    }
}

/// How an app ends.
pub type Outcome = Result<(), Box<dyn core::error::Error>>;
