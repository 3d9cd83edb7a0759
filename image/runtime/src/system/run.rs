//! Runs an image: attaches the drivers, starts the chosen app, and serves the machine's interrupt lines meanwhile.

use embassy_time::{Duration, Timer};
use switchboard::machine::Machine;

use super::System;
use super::app::App;
use crate::command_line::Options;
use crate::devices::{DeviceOptions, Devices, DriverEntry};
use crate::disk::TimeoutWatch;
use crate::tasks::Tasks;
use crate::{boot_table, hal, say};

/// The interval at which lines are retried that were masked because no handler claimed their interrupts.
const STORM_RETRY: Duration = Duration::from_millis(100);
/// The interval at which lines are checked for a stuck Remote IRR.
const REMOTE_IRR_CHECK: Duration = Duration::from_millis(500);

/// Attaches the drivers and runs the app that the command line names; stops the machine when the app returns.
pub async fn run(
    tasks: Tasks,
    machine: &'static Machine,
    options: Options<'static>,
    drivers: &'static [DriverEntry],
    apps: &'static [App],
) {
    tasks.spawn(retry_stormed_lines(machine));
    tasks.spawn(clear_stuck_remote_irr(machine));
    if cfg!(feature = "watch") {
        tasks.spawn(watch_interrupts(machine));
    }
    let device_options =
        DeviceOptions { poll_budget_ns: options.poll_budget_ns(), timeouts: Some(TimeoutWatch::new(tasks)) };
    let mut devices = Devices::new(drivers, device_options);
    devices.probe(machine);
    boot_table::print(machine);
    let Some(app) = App::find(apps, options.app) else {
        say!("no app `{}`: the apps are {}", options.app, App::names(apps));
        hal::exit(false);
    };
    let system = System::new(tasks, machine, devices, options);
    let subsystems = system.subsystems.clone();
    let outcome = app.run(system).await;
    for subsystem in subsystems.take() {
        subsystem.stop().await;
    }
    match outcome {
        Ok(()) => hal::exit(true),
        Err(error) => {
            say!("{}: {error}", app.name);
            hal::exit(false);
        }
    }
}

/// Retries stormed lines while there are any; waits without polling while there are none.
async fn retry_stormed_lines(machine: &'static Machine) {
    loop {
        machine.storm().await;
        while machine.has_storm() {
            Timer::after(STORM_RETRY).await;
            machine.retry_stormed_lines();
        }
    }
}

/// Restores level-triggered lines that a forged message has left with Remote IRR set.
async fn clear_stuck_remote_irr(machine: &'static Machine) {
    loop {
        Timer::after(REMOTE_IRR_CHECK).await;
        machine.clear_stuck_remote_irr();
    }
}

/// Watches for interrupts that do not arrive and requests that do not finish; calls the handlers of devices whose interrupts do not
/// arrive.
async fn watch_interrupts(machine: &'static Machine) {
    loop {
        Timer::after(Duration::from_nanos(machine.check_interrupts())).await;
    }
}
