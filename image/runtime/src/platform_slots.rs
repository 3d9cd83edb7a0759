//! The slots of the platform's own hot-plug controller: ACPI's, on QEMU's machines.

use alloc::sync::Arc;
use alloc::vec::Vec;

use switchboard::config::Address;
use switchboard::event::{Notifier, Waiter, event};
use switchboard::interrupt::{Activity, Claim, InIsr, LineIsr, SystemLine};
use switchboard::machine::Machine;
use switchboard::platform::{HotplugBus, HotplugChange, HotplugController};

use crate::hal;

/// The controller with its interrupt.
#[derive(Debug)]
pub(crate) struct PlatformSlots {
    controller: &'static dyn HotplugController,
    event: Waiter,
    /// The changes before the first event are looked for.
    is_started: bool,
    _line: SystemLine,
}

/// State that the handler shares with the task.
#[derive(Debug)]
struct Shared {
    controller: &'static dyn HotplugController,
    event: Notifier,
}

impl LineIsr for Shared {
    fn on_line(&self, isr: &InIsr<'_>) -> Claim {
        if !self.controller.acknowledge() {
            return Claim::NotMine;
        }
        self.event.notify(isr);
        Claim::Mine
    }

    fn activity(&self) -> Activity {
        Activity::pending_if(self.controller.is_pending().then_some(0))
    }
}

impl PlatformSlots {
    /// Starts the machine's controller; returns `None` when it has none, or no line for it.
    pub(crate) fn start(machine: &'static Machine) -> Option<Self> {
        Self::of(machine, hal::hotplug_controller()?)
    }

    fn of(machine: &'static Machine, controller: &'static dyn HotplugController) -> Option<Self> {
        let (notifier, event) = event();
        let line = machine.system_line(controller.gsi(), "acpi", Arc::new(Shared { controller, event: notifier }));
        let line = line.inspect_err(|error| log::error!("hot-plug by ACPI: {error}")).ok()?;
        controller.enable();
        Some(Self { controller, event, is_started: false, _line: line })
    }

    /// Returns whether the slot behind a port is one of these.
    pub(crate) fn covers(&self, port: Address) -> bool {
        self.controller.buses().contains(&HotplugBus::Behind(port))
    }

    /// Waits for an event, and returns the changes since the last call.
    pub(crate) async fn changes(&mut self) -> Vec<HotplugChange> {
        loop {
            if core::mem::replace(&mut self.is_started, true) {
                self.event.wait().await;
            }
            let changes = self.controller.changes();
            if !changes.is_empty() {
                return changes;
            }
        }
    }

    /// Returns the functions of a device, and those behind it; bridges before the functions behind them.
    pub(crate) fn functions(&self, machine: &Machine, bus: usize, device: u8) -> Vec<Address> {
        self.controller.buses().get(bus).map(|bus| machine.functions_of(*bus, device)).unwrap_or_default()
    }

    /// Ejects a device, whose drivers were dropped.
    pub(crate) fn eject(&self, bus: usize, device: u8) {
        self.controller.eject(bus, device);
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use core::pin::pin;
    use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};
    use core::task::{Context, Waker};
    use std::boxed::Box;

    use switchboard::interrupt::Gsi;
    use switchboard_testing::{FakeFunction, FakeMachine};

    use super::*;

    const SCI: Gsi = Gsi(9);

    /// A controller whose registers a test sets.
    #[derive(Debug, Default)]
    struct Registers {
        buses: Vec<HotplugBus>,
        is_enabled: AtomicBool,
        is_pending: AtomicBool,
        added: AtomicU32,
        removals: AtomicU32,
        ejected: AtomicU32,
    }

    impl HotplugController for Registers {
        fn gsi(&self) -> Gsi {
            SCI
        }

        fn buses(&self) -> &[HotplugBus] {
            &self.buses
        }

        fn enable(&self) {
            self.is_enabled.store(true, Ordering::Relaxed);
        }

        fn is_pending(&self) -> bool {
            self.is_pending.load(Ordering::Relaxed)
        }

        fn acknowledge(&self) -> bool {
            self.is_pending.swap(false, Ordering::Relaxed)
        }

        fn changes(&self) -> Vec<HotplugChange> {
            let added = self.added.swap(0, Ordering::Relaxed);
            let removals = self.removals.load(Ordering::Relaxed);
            (added | removals != 0).then_some(HotplugChange { bus: 1, added, removals }).into_iter().collect()
        }

        fn eject(&self, bus: usize, device: u8) {
            assert_eq!(bus, 1);
            self.ejected.fetch_or(1 << device, Ordering::Relaxed);
            self.removals.store(0, Ordering::Relaxed);
        }
    }

    #[test]
    fn changes_are_reported_once_and_a_device_is_ejected() {
        let port = FakeFunction::new(0x1b36, 0x000c).at("00:02.0").root_port(1, 0x5b);
        let card = FakeFunction::new(0x1af4, 0x1041).at("01:00.0");
        let fake: &FakeMachine = Box::leak(Box::new(FakeMachine::new([port, card])));
        let registers: &Registers = Box::leak(Box::new(Registers {
            buses: [HotplugBus::Root(0, 0), HotplugBus::Behind(Address::new(0, 0, 2, 0))].into(),
            ..Registers::default()
        }));
        let mut slots = PlatformSlots::of(fake.machine(), registers).expect("a line");
        assert!(registers.is_enabled.load(Ordering::Relaxed));
        assert!(slots.covers(Address::new(0, 0, 2, 0)) && !slots.covers(Address::new(0, 0, 3, 0)));

        let mut context = Context::from_waker(Waker::noop());
        assert!(pin!(slots.changes()).poll(&mut context).is_pending());
        registers.removals.store(1, Ordering::Relaxed);
        registers.is_pending.store(true, Ordering::Relaxed);
        assert!(fake.assert_line(SCI.0) && !registers.is_pending.load(Ordering::Relaxed));
        let changed = pin!(slots.changes()).poll(&mut context);
        assert_eq!(changed, core::task::Poll::Ready([HotplugChange { bus: 1, added: 0, removals: 1 }].into()));
        assert_eq!(slots.functions(fake.machine(), 1, 0), [Address::new(0, 1, 0, 0)]);
        slots.eject(1, 0);
        assert_eq!(registers.ejected.load(Ordering::Relaxed), 1);
        assert!(pin!(slots.changes()).poll(&mut context).is_pending());

        let row = &fake.machine().interrupt_report()[0];
        assert_eq!((row.driver, row.gsi, row.claimed()), ("acpi", Some(SCI), 1));
        drop(slots);
        assert!(!fake.assert_line(SCI.0), "no handler is left");
    }
}
