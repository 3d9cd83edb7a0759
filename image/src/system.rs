//! What an app gets: the machine, its devices, and what the command line says.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;

use embassy_executor::Spawner;
use embassy_time::{Duration, TimeoutError, Timer, with_timeout};
use switchboard::arch;
use switchboard::machine::Machine;

use crate::apps;
use crate::command_line::{AddressSource, Options};
use crate::devices::Devices;
use crate::network::{self, Interface};
use crate::{say, table, tasks};

/// A source of randomness may run dry; the network does not wait for it longer.
const RANDOM_PATIENCE: Duration = Duration::from_millis(500);

/// How often lines are looked after that were masked because nobody claimed them.
const TENDING: Duration = Duration::from_millis(100);

/// Everything an app works with. It owns the devices.
pub struct System {
    /// Starts tasks.
    pub spawner: Spawner,
    /// The machine.
    pub machine: &'static Machine,
    /// The devices that came up.
    pub devices: Devices,
    /// Where the IPv4 address comes from.
    pub address: AddressSource,
    /// The app's own words of the command line.
    pub arguments: &'static str,
}

impl fmt::Debug for System {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("System").field("devices", &self.devices).finish_non_exhaustive()
    }
}

/// Brings the devices up and runs the app; the machine ends when the app does.
pub async fn run(spawner: Spawner, machine: &'static Machine, options: Options<'static>) {
    tasks::spawn(spawner, tend_lines(machine));
    let devices = Devices::probe(machine);
    table::print(machine);
    let Some(app) = apps::find(options.app) else {
        say!("no app `{}`: the apps are {}", options.app, apps::names());
        arch::power::exit(false);
    };
    let (address, arguments) = (options.address, options.arguments);
    let system = System { spawner, machine, devices, address, arguments };
    match (app.run)(system).await {
        Ok(()) => arch::power::exit(true),
        Err(error) => {
            say!("{}: {error}", app.name);
            arch::power::exit(false);
        }
    }
}

/// Looks after lines while there is a storm; takes no time while there is none.
async fn tend_lines(machine: &'static Machine) {
    loop {
        machine.storm().await;
        while machine.has_storm() {
            Timer::after(TENDING).await;
            machine.tend_lines();
        }
    }
}

impl System {
    /// Starts a stack on each network function. An address of the command line goes to the first; the others
    /// ask by DHCP.
    pub async fn start_network(&mut self) -> Vec<Interface> {
        let mut interfaces = Vec::new();
        let mut address = self.address;
        for nic in core::mem::take(&mut self.devices.nics) {
            let seed = self.random().await;
            let place = (nic.function, nic.driver);
            interfaces.push(network::start(self.spawner, nic.device, place, address, seed));
            address = AddressSource::Dhcp;
        }
        if interfaces.is_empty() {
            say!("no network: no function has a network driver");
        }
        interfaces
    }

    /// Random bits: the CPU's, and those of every device that has some.
    async fn random(&mut self) -> u64 {
        let mut bits = arch::random_seed();
        for rng in &mut self.devices.rngs {
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
