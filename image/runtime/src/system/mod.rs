//! The system that an app gets: the machine, its devices, tasks, and the command line's options.

mod app;
mod run;
#[cfg(not(feature = "hotplug"))]
#[path = "no_slots.rs"]
mod slots;
#[cfg(feature = "hotplug")]
mod slots;
mod subsystem;

use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::fmt;

use embassy_futures::select::{Either, select};
use embassy_time::{Duration, TimeoutError, Timer, with_timeout};
use switchboard::config::Address;
use switchboard::machine::Machine;

use crate::command_line::Options;
use crate::devices::{Devices, RandomSource};
use crate::entropy;
use crate::tasks::Tasks;

pub use self::app::{App, Outcome, RunApp};
pub use self::run::run;
use self::slots::Slots;
pub use self::subsystem::{LocalBoxFuture, Subsystem};

/// The timeout for random bytes of one device, which may have none for a while.
const RANDOM_TIMEOUT: Duration = Duration::from_millis(500);

/// The subsystems, which outlive the app.
type Subsystems = Rc<RefCell<Vec<Rc<dyn Subsystem>>>>;

/// The machine, its devices, tasks and options: the argument of an app.
///
/// A loop over [`change`](Self::change) attaches and detaches the devices of hot-plug slots:
///
/// ```no_run
/// use switchboard_runtime::disk::Disk;
/// use switchboard_runtime::system::{App, Outcome, System};
///
/// async fn watch(mut system: System) -> Outcome {
///     loop {
///         switchboard_runtime::say!("{} disks", system.devices.iter::<Disk>().count());
///         system.change().await;
///     }
/// }
///
/// const APPS: &[App] = &[App::new("watch", &watch)];
/// ```
pub struct System {
    /// Starts tasks.
    pub tasks: Tasks,
    /// The machine.
    pub machine: &'static Machine,
    /// The devices that were attached, and not taken over by the app or a subsystem.
    pub devices: Devices,
    /// The options of the command line.
    pub options: Options<'static>,
    /// The app's own arguments: the text after `--` on the command line.
    pub arguments: &'static str,
    subsystems: Subsystems,
    slots: Slots,
}

impl fmt::Debug for System {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("System").field("devices", &self.devices).finish_non_exhaustive()
    }
}

impl System {
    fn new(tasks: Tasks, machine: &'static Machine, devices: Devices, options: Options<'static>) -> Self {
        let arguments = options.arguments;
        Self { tasks, machine, devices, options, arguments, subsystems: Subsystems::default(), slots: Slots::default() }
    }

    /// Adds a subsystem, which takes over its devices now and whenever a device is attached later.
    pub async fn add_subsystem(&mut self, subsystem: Rc<dyn Subsystem>) {
        self.subsystems.borrow_mut().push(subsystem.clone());
        subsystem.attached(self).await;
    }

    /// Attaches the driver of a function that was added or detached, and offers its device to the subsystems.
    ///
    /// Returns `false` if the function is in use, unknown, or has no driver.
    pub async fn attach(&mut self, function: Address) -> bool {
        let Some(function) = self.machine.take(function) else { return false };
        let is_attached = self.devices.attach(function);
        self.offer_devices().await;
        is_attached
    }

    /// Offers devices that were added to the subsystems.
    async fn offer_devices(&mut self) {
        let subsystems = self.subsystems.borrow().clone();
        for subsystem in subsystems {
            subsystem.attached(self).await;
        }
    }

    /// Ends all use of a function's device and drops its driver; returns `false` if it has none.
    ///
    /// All resources of the driver are free when this returns.
    pub async fn detach(&mut self, function: Address) -> bool {
        let subsystems = self.subsystems.borrow().clone();
        for subsystem in subsystems {
            if subsystem.detach(function).await {
                return true;
            }
        }
        self.slots.remove_port(function).await || self.devices.detach(function).await
    }

    /// Waits for a change at a hot-plug slot, and attaches or detaches the devices of its functions; or for a change of the disks of
    /// a controller.
    pub async fn change(&mut self) {
        self.start_slots().await;
        // An app waits here most of the time: the entropy source is reseeded meanwhile.
        let change = loop {
            let disk_change = async {
                match self.devices.disk_change().await {
                    0 => {}
                    delay_ns => Timer::after_nanos(delay_ns).await,
                }
            };
            match with_timeout(entropy::RESEED_INTERVAL, select(self.slots.next(), disk_change)).await {
                Ok(Either::First(change)) => break change,
                Ok(Either::Second(())) => {
                    if self.devices.update_disks().await {
                        return self.offer_devices().await;
                    }
                }
                Err(TimeoutError) => self.reseed().await,
            }
        };
        self.apply(change).await;
    }

    /// Returns 64 random bits of the [entropy source](crate::entropy), after it was reseeded by the CPU and by every
    /// random number device.
    ///
    /// A device that fails or does not answer within 500 ms is left out, and logged.
    pub async fn random(&mut self) -> u64 {
        self.reseed().await;
        entropy::random_u64()
    }

    async fn reseed(&mut self) {
        entropy::reseed();
        for rng in self.devices.iter_mut::<RandomSource>() {
            let mut bytes = [0; 32];
            match with_timeout(RANDOM_TIMEOUT, rng.device.fill(&mut bytes)).await {
                Ok(Ok(())) => entropy::add_device_bytes(&bytes),
                Ok(Err(error)) => log::warn!("{}: {error}", rng.function),
                Err(TimeoutError) => log::warn!("{}: no random bytes in time", rng.function),
            }
        }
    }
}
