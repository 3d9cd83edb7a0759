//! What an app gets: the machine, its devices, and what the command line says.

mod app;
mod subsystem;

use alloc::rc::Rc;
use alloc::vec::Vec;
use core::fmt;

use embassy_time::{Duration, TimeoutError, Timer, with_timeout};
use switchboard::config::Address;
use switchboard::machine::Machine;
use switchboard_drivers::hotplug::{HotplugPort, SlotChange};

use crate::command_line::Options;
use crate::devices::{DeviceOptions, Devices, DriverEntry, RandomSource};
use crate::hotplug_ports::HotplugPorts;
use crate::tasks::Tasks;
use crate::{boot_table, hal, say};

pub use self::app::{App, Outcome, RunApp};
pub use self::subsystem::{LocalBoxFuture, Subsystem};

/// How long the network waits for a source of randomness, which may run dry.
const RANDOM_TIMEOUT: Duration = Duration::from_millis(500);
/// How often lines are retried that were masked because no handler claimed their interrupts.
const STORM_RETRY: Duration = Duration::from_millis(100);
/// How often lines are checked for a Remote IRR that is stuck.
const REMOTE_IRR_CHECK: Duration = Duration::from_millis(500);

/// Everything an app works with. It owns the devices.
pub struct System {
    /// Starts tasks.
    pub tasks: Tasks,
    /// The machine.
    pub machine: &'static Machine,
    /// The devices that are up, unless an app or a subsystem has taken them.
    pub devices: Devices,
    /// What the command line asks for.
    pub options: Options<'static>,
    /// The app's own words of the command line.
    pub arguments: &'static str,
    subsystems: Vec<Rc<dyn Subsystem>>,
    slots: HotplugPorts,
}

impl fmt::Debug for System {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("System").field("devices", &self.devices).finish_non_exhaustive()
    }
}

/// Brings the devices up and runs the app that the command line names; the machine ends when the app does.
pub async fn run(
    tasks: Tasks,
    machine: &'static Machine,
    options: Options<'static>,
    drivers: &'static [DriverEntry],
    apps: &'static [App],
) {
    tasks.spawn(retry_stormed_lines(machine));
    tasks.spawn(clear_stuck_remote_irr(machine));
    let mut devices = Devices::new(drivers, DeviceOptions { poll_budget_ns: options.poll_budget_ns() });
    devices.probe(machine);
    boot_table::print(machine);
    let Some(app) = App::find(apps, options.app) else {
        say!("no app `{}`: the apps are {}", options.app, App::names(apps));
        hal::exit(false);
    };
    let arguments = options.arguments;
    let system =
        System { tasks, machine, devices, options, arguments, subsystems: Vec::new(), slots: HotplugPorts::default() };
    match app.run(system).await {
        Ok(()) => hal::exit(true),
        Err(error) => {
            say!("{}: {error}", app.name);
            hal::exit(false);
        }
    }
}

/// Retries lines while there is a storm; takes no time while there is none.
async fn retry_stormed_lines(machine: &'static Machine) {
    loop {
        machine.storm().await;
        while machine.has_storm() {
            Timer::after(STORM_RETRY).await;
            machine.retry_stormed_lines();
        }
    }
}

/// Brings back lines that a forged message has silenced.
async fn clear_stuck_remote_irr(machine: &'static Machine) {
    loop {
        Timer::after(REMOTE_IRR_CHECK).await;
        machine.clear_stuck_remote_irr();
    }
}

impl System {
    /// Adds a subsystem, and offers it the devices that are up. From now on it is asked about every device that comes or
    /// goes.
    pub async fn add_subsystem(&mut self, subsystem: Rc<dyn Subsystem>) {
        self.subsystems.push(subsystem.clone());
        subsystem.attached(self).await;
    }

    /// Offers a function to the drivers: one that has come, or that was detached; and its device to the subsystems.
    /// Returns whether a driver took it.
    pub async fn attach(&mut self, function: Address) -> bool {
        let Some(function) = self.machine.take(function) else { return false };
        let is_taken = self.devices.attach(function);
        for index in 0..self.subsystems.len() {
            let subsystem = self.subsystems[index].clone();
            subsystem.attached(self).await;
        }
        is_taken
    }

    /// Takes a function's device away from all its users. When this is ready, its driver is dropped, and what it
    /// had is back. Returns whether there was one.
    pub async fn detach(&mut self, function: Address) -> bool {
        for subsystem in &self.subsystems {
            if subsystem.detach(function).await {
                return true;
            }
        }
        self.slots.remove(function).await || self.devices.detach(function).await
    }

    /// Waits until functions come or go at a slot, and has attached or detached their devices.
    pub async fn change(&mut self) {
        for port in self.devices.take_all::<HotplugPort>() {
            self.slots.watch(self.tasks, port, self.options.grace_ms);
        }
        let (port, change) = self.slots.next().await;
        match change {
            SlotChange::Added => {
                self.machine.scan();
                for function in self.slots.behind(port) {
                    self.attach(function).await;
                }
            }
            SlotChange::RemovalRequested => {
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

    /// Returns random bits: the CPU's, and those of every device that has some.
    pub async fn random(&mut self) -> u64 {
        let mut bits = hal::random_seed();
        for rng in self.devices.iter_mut::<RandomSource>() {
            let mut bytes = [0; 8];
            match with_timeout(RANDOM_TIMEOUT, rng.device.fill(&mut bytes)).await {
                Ok(Ok(())) => bits ^= u64::from_le_bytes(bytes),
                Ok(Err(error)) => log::warn!("{}: {error}", rng.function),
                Err(TimeoutError) => log::warn!("{}: no random bytes in time", rng.function),
            }
        }
        bits
    }
}
