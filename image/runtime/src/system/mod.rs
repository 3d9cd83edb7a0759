//! The system that an app gets: the machine, its devices, tasks, and the command line's options.

mod app;
mod run;
mod subsystem;

use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::fmt;

use embassy_futures::select::{Either3, select3};
use embassy_time::{Duration, TimeoutError, Timer, with_timeout};
use switchboard::config::Address;
use switchboard::machine::Machine;
use switchboard::platform::HotplugChange;
use switchboard_drivers::hotplug::{HotplugPort, SlotChange};

use crate::command_line::Options;
use crate::devices::{Devices, RandomSource};
use crate::entropy;

use crate::hotplug_ports::HotplugPorts;
use crate::platform_slots::PlatformSlots;
use crate::tasks::Tasks;

pub use self::app::{App, Outcome, RunApp};
pub use self::run::run;
pub use self::subsystem::{LocalBoxFuture, Subsystem};

/// The time from the first wait for changes to the start of the slots of the platform.
const SLOTS_DELAY: Duration = Duration::from_millis(100);

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
    ports: HotplugPorts,
    /// The slots of the platform, if it has any, once they were started.
    platform_slots: Option<Option<PlatformSlots>>,
}

impl fmt::Debug for System {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("System").field("devices", &self.devices).finish_non_exhaustive()
    }
}

impl System {
    fn new(tasks: Tasks, machine: &'static Machine, devices: Devices, options: Options<'static>) -> Self {
        let arguments = options.arguments;
        Self {
            tasks,
            machine,
            devices,
            options,
            arguments,
            subsystems: Subsystems::default(),
            ports: HotplugPorts::default(),
            platform_slots: None,
        }
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
        self.ports.remove(function).await || self.devices.detach(function).await
    }

    /// Waits for a change at a hot-plug slot, and attaches or detaches the devices of its functions; or for a change of the disks of
    /// a controller.
    pub async fn change(&mut self) {
        // A port with a slot is started at once: its button may be pressed.
        if self.platform_slots.is_none() && self.devices.first::<HotplugPort>().is_none() {
            // The evaluation of ACPI's tables takes longer than all else at the start. It loses no event.
            Timer::after(SLOTS_DELAY).await;
        }
        self.start_slots();
        // An app waits here most of the time: the entropy source is reseeded meanwhile.
        let (port, change) = loop {
            let disk_change = async {
                match self.devices.disk_change().await {
                    0 => {}
                    delay_ns => Timer::after_nanos(delay_ns).await,
                }
            };
            let platform_change = async {
                match self.platform_slots.as_mut() {
                    Some(Some(slots)) => slots.changes().await,
                    _ => core::future::pending().await,
                }
            };
            let change = select3(self.ports.next(), disk_change, platform_change);
            match with_timeout(entropy::RESEED_INTERVAL, change).await {
                Ok(Either3::First(next)) => break next,
                Ok(Either3::Third(changes)) if cfg!(feature = "hotplug") => return self.apply(&changes).await,
                Ok(Either3::Third(_)) => {}
                Ok(Either3::Second(())) => {
                    if self.devices.update_disks().await {
                        return self.offer_devices().await;
                    }
                }
                Err(TimeoutError) => self.reseed().await,
            }
        };
        match change {
            SlotChange::Added => {
                self.machine.scan();
                for function in self.ports.functions_behind(port) {
                    self.attach(function).await;
                }
            }
            SlotChange::RemovalRequested => {
                self.detach_behind(port).await;
                self.ports.release(port);
            }
            SlotChange::Gone => self.detach_behind(port).await,
        }
    }

    /// Starts what reports changes: the platform's own slots, and the ports with slots that those do not cover.
    fn start_slots(&mut self) {
        if !cfg!(feature = "hotplug") {
            self.platform_slots = Some(None);
            return;
        }
        let platform = self.platform_slots.get_or_insert_with(|| PlatformSlots::start(self.machine));
        for port in self.devices.take_all::<HotplugPort>() {
            if platform.as_ref().is_some_and(|slots| slots.covers(port.function)) {
                log::info!("{}: its slot is served by ACPI", port.function);
                continue;
            }
            self.ports.start(self.tasks, port, self.options.grace_ms);
        }
    }

    /// Attaches the functions of devices that were added to slots of the platform, and detaches and ejects those that are to be removed.
    async fn apply(&mut self, changes: &[HotplugChange]) {
        let devices = |bits: u32| (0..32).filter(move |device| bits >> device & 1 != 0);
        for change in changes {
            for device in devices(change.removals) {
                self.eject(change.bus, device).await;
            }
        }
        if changes.iter().all(|change| change.added == 0) {
            return;
        }
        let known = self.machine.functions();
        self.machine.scan();
        // All that are new: a bridge may have brought others behind it.
        for function in self.machine.functions() {
            if known.iter().all(|known| known.address != function.address) {
                log::info!("{}: added, by ACPI", function.address);
                self.attach(function.address).await;
            }
        }
    }

    /// Detaches the functions of a device in a slot of the platform, those behind a bridge before the bridge, and ejects it.
    async fn eject(&mut self, bus: usize, device: u8) {
        let Some(Some(slots)) = &self.platform_slots else { return };
        let functions = slots.functions(self.machine, bus, device);
        for function in functions.iter().rev() {
            self.detach(*function).await;
        }
        let Some(Some(slots)) = &self.platform_slots else { return };
        slots.eject(bus, device);
        for function in functions.iter().rev() {
            log::info!("{function}: ejected, by ACPI");
            self.machine.mark_removed(*function);
        }
    }

    /// Detaches the functions behind a port, those behind a bridge before the bridge.
    async fn detach_behind(&mut self, port: Address) {
        for function in self.ports.functions_behind(port).into_iter().rev() {
            self.detach(function).await;
        }
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
