//! The hot-plug slots of the system: those of PCI Express ports, and those of the platform.

use alloc::vec::Vec;

use embassy_futures::select::{Either, select};
use embassy_time::{Duration, Timer};
use switchboard::config::Address;
use switchboard::platform::HotplugChange;
use switchboard_drivers::hotplug::{HotplugPort, SlotChange};

use super::System;
use crate::hotplug_ports::HotplugPorts;
use crate::platform_slots::PlatformSlots;

/// The time from the first wait for changes to the start of the slots of the platform.
const SLOTS_DELAY: Duration = Duration::from_millis(100);

/// The slots whose changes are waited for.
#[derive(Debug, Default)]
pub(super) struct Slots {
    ports: HotplugPorts,
    /// The slots of the platform, if it has any, once they were started.
    platform: Option<Option<PlatformSlots>>,
}

/// A change of a port's slot, or of slots of the platform.
pub(super) type Change = Either<(Address, SlotChange), Vec<HotplugChange>>;

impl Slots {
    /// Waits for the next change.
    pub(super) async fn next(&mut self) -> Change {
        let platform_change = async {
            match self.platform.as_mut() {
                Some(Some(slots)) => slots.changes().await,
                _ => core::future::pending().await,
            }
        };
        select(self.ports.next(), platform_change).await
    }

    /// Stops running a port; returns `false` if the port was not run.
    pub(super) async fn remove_port(&mut self, port: Address) -> bool {
        self.ports.remove(port).await
    }
}

impl System {
    /// Starts what reports changes.
    pub(super) async fn start_slots(&mut self) {
        // A port with a slot is started at once: its button may be pressed.
        if self.slots.platform.is_none() && self.devices.first::<HotplugPort>().is_none() {
            // The evaluation of ACPI's tables takes longer than all else at the start. It loses no event.
            Timer::after(SLOTS_DELAY).await;
        }
        self.start_ports();
    }

    /// Handles a change.
    pub(super) async fn apply(&mut self, change: Change) {
        match change {
            Either::First((port, SlotChange::Added)) => {
                self.machine.scan();
                for function in self.slots.ports.functions_behind(port) {
                    self.attach(function).await;
                }
            }
            Either::First((port, SlotChange::RemovalRequested)) => {
                self.detach_behind(port).await;
                self.slots.ports.release(port);
            }
            Either::First((port, SlotChange::Gone)) => self.detach_behind(port).await,
            Either::Second(changes) => self.apply_platform(&changes).await,
        }
    }

    /// Starts the platform's own slots, and the ports with slots that those do not cover.
    fn start_ports(&mut self) {
        let platform = self.slots.platform.get_or_insert_with(|| PlatformSlots::start(self.machine));
        for port in self.devices.take_all::<HotplugPort>() {
            if platform.as_ref().is_some_and(|slots| slots.covers(port.function)) {
                log::info!("{}: its slot is served by ACPI", port.function);
                continue;
            }
            self.slots.ports.start(self.tasks, port, self.options.grace_ms);
        }
    }

    /// Attaches the functions of devices that were added to slots of the platform, and detaches and ejects those that are to be removed.
    async fn apply_platform(&mut self, changes: &[HotplugChange]) {
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
        let Some(Some(slots)) = &self.slots.platform else { return };
        let functions = slots.functions(self.machine, bus, device);
        for function in functions.iter().rev() {
            self.detach(*function).await;
        }
        let Some(Some(slots)) = &self.slots.platform else { return };
        slots.eject(bus, device);
        for function in functions.iter().rev() {
            log::info!("{function}: ejected, by ACPI");
            self.machine.mark_removed(*function);
        }
    }

    /// Detaches the functions behind a port, those behind a bridge before the bridge.
    async fn detach_behind(&mut self, port: Address) {
        for function in self.slots.ports.functions_behind(port).into_iter().rev() {
            self.detach(function).await;
        }
    }
}
