//! Hot-plug by ACPI, on QEMU's machines: a general-purpose event, and registers at I/O ports (QEMU,
//! `docs/specs/acpi_pci_hotplug`).
//!
//! Ports, event and buses are those of the tables. They are evaluated when they are first wanted, so that a boot does not wait for it.

#![expect(unsafe_code, reason = "I/O ports of ACPI, as firmware's tables have them")]

use alloc::boxed::Box;
use alloc::vec::Vec;

use spin::Once;
use switchboard::config::{Address, ConfigAccess};
use switchboard::interrupt::Gsi;
use switchboard::platform::{HotplugBus, HotplugChange, HotplugController};
use switchboard::sync::IrqLock;
use switchboard_aml::{Function, pci_hotplug};
use x86_64::instructions::port::Port;

use super::acpi::{self, FixedHardware};
use super::clock;
use super::memory::MachineMemory;
use super::routing::Fields;

/// Registers, from the first port on: slots that were added (cleared by reading), slots to be removed, slots to eject, and the
/// selected bus.
const ADDED: u16 = 0;
const REMOVALS: u16 = 4;
const EJECT: u16 = 8;
const SELECT: u16 = 0x10;
/// PM1 control: the machine is in ACPI mode, and its events raise the system control interrupt (ACPI 6.5, 4.8.3.2.1).
const SCI_ENABLE: u16 = 1;
/// The limit for the switch to ACPI mode, which firmware makes.
const MODE_TIMEOUT_NS: u64 = 100_000_000;

/// What [`controller`] needs, from the boot.
pub(super) struct Facts {
    pub(super) hardware: FixedHardware,
    pub(super) gsi: Gsi,
    pub(super) tables: Vec<u64>,
    pub(super) config: &'static dyn ConfigAccess,
}

static FACTS: Once<Facts> = Once::new();
static CONTROLLER: Once<Option<AcpiHotplug>> = Once::new();

/// Keeps the facts of the boot.
pub(super) fn init(facts: Facts) {
    FACTS.call_once(|| facts);
}

/// Returns the controller of hot-plug by ACPI, or `None` on a machine without, or without the feature `aml`. The first call
/// evaluates the tables.
pub fn hotplug_controller() -> Option<&'static dyn HotplugController> {
    if !cfg!(feature = "aml") {
        return None;
    }
    let found = CONTROLLER.call_once(|| AcpiHotplug::find(FACTS.get()?));
    found.as_ref().map(|controller| controller as &dyn HotplugController)
}

/// The registers.
#[derive(Debug)]
struct AcpiHotplug {
    /// The first port. Locked, since an access selects a bus first.
    registers: IrqLock<u16>,
    hardware: FixedHardware,
    /// The port of the event's status bit, and the bit.
    status: (u16, u8),
    gsi: Gsi,
    buses: Box<[HotplugBus]>,
    selectors: Box<[u32]>,
}

impl AcpiHotplug {
    fn find(facts: &Facts) -> Option<Self> {
        let tables: Vec<Vec<u8>> = facts.tables.iter().filter_map(|at| acpi::aml_table(*at, &MachineMemory)).collect();
        // Other machines have no such registers, and their tables may be long.
        if !tables.iter().any(|table| table.windows(4).any(|name| name == b"PCST")) {
            return None;
        }
        let tables: Vec<&[u8]> = tables.iter().map(Vec::as_slice).collect();
        let found = pci_hotplug(&tables, &Fields { config: facts.config, memory: &MachineMemory })?;
        let hardware = facts.hardware;
        let (byte, bit) = (u16::from(found.event / 8), 1 << (found.event % 8));
        if byte >= hardware.event_bytes || found.port > u16::MAX - SELECT - 4 {
            return None;
        }
        let bus = |bus: &switchboard_aml::HotplugBus| match bus.bridge {
            Some(Function { segment, bus, device, function }) => {
                HotplugBus::Behind(Address::new(segment, bus, device & 0x1f, function & 7))
            }
            None => HotplugBus::Root(bus.root.0, bus.root.1),
        };
        log::info!(
            "hot-plug by ACPI: {} buses, registers at {:#x}, event {}",
            found.buses.len(),
            found.port,
            found.event
        );
        Some(Self {
            registers: IrqLock::new(found.port),
            hardware,
            status: (hardware.events + byte, bit),
            gsi: facts.gsi,
            buses: found.buses.iter().map(bus).collect(),
            selectors: found.buses.iter().map(|bus| bus.selector).collect(),
        })
    }

    /// Switches the machine to ACPI mode, where it is not in it.
    fn enter_acpi_mode(&self) {
        let FixedHardware { smi_command, acpi_enable, pm1a_control, .. } = self.hardware;
        let mut control = Port::<u16>::new(pm1a_control);
        // SAFETY: reading PM1 control has no side effect.
        let mut is_enabled = || unsafe { control.read() } & SCI_ENABLE != 0;
        if smi_command == 0 || is_enabled() {
            return;
        }
        // SAFETY: the FADT's command for this purpose; firmware's handler returns to here.
        unsafe { Port::<u8>::new(smi_command).write(acpi_enable) };
        let end_ns = clock::now_ns() + MODE_TIMEOUT_NS;
        while !is_enabled() {
            if clock::now_ns() > end_ns {
                log::warn!("hot-plug by ACPI: firmware does not switch to ACPI mode");
                return;
            }
        }
    }
}

impl HotplugController for AcpiHotplug {
    fn gsi(&self) -> Gsi {
        self.gsi
    }

    fn buses(&self) -> &[HotplugBus] {
        &self.buses
    }

    /// Enables the event alone: no handler serves the others, which would keep the line asserted.
    fn enable(&self) {
        self.enter_acpi_mode();
        let FixedHardware { events, event_bytes, .. } = self.hardware;
        for byte in 0..event_bytes {
            let bits = if events + byte == self.status.0 { self.status.1 } else { 0 };
            // SAFETY: an enable register of general-purpose events, which only this file uses.
            unsafe { Port::<u8>::new(events + event_bytes + byte).write(bits) };
        }
    }

    fn is_pending(&self) -> bool {
        // SAFETY: reading a status register of events has no side effect.
        let status = unsafe { Port::<u8>::new(self.status.0).read() };
        status & self.status.1 != 0
    }

    fn acknowledge(&self) -> bool {
        if !self.is_pending() {
            return false;
        }
        // SAFETY: writing one clears the status bit of the event, and zeros leave the others.
        unsafe { Port::<u8>::new(self.status.0).write(self.status.1) };
        true
    }

    fn changes(&self) -> Vec<HotplugChange> {
        let changes = self.selectors.iter().enumerate().map(|(bus, selector)| {
            let port = self.registers.lock();
            // SAFETY: the select register, which `registers` guards.
            unsafe { Port::<u32>::new(*port + SELECT).write(*selector) };
            // SAFETY: reading clears requests of this bus, which are returned.
            let added = unsafe { Port::<u32>::new(*port + ADDED).read() };
            // SAFETY: reading has no side effect.
            let removals = unsafe { Port::<u32>::new(*port + REMOVALS).read() };
            HotplugChange { bus, added, removals }
        });
        changes.filter(|change| change.added | change.removals != 0).collect()
    }

    fn eject(&self, bus: usize, device: u8) {
        let Some(selector) = self.selectors.get(bus) else { return };
        let port = self.registers.lock();
        // SAFETY: the select register, which `registers` guards.
        unsafe { Port::<u32>::new(*port + SELECT).write(*selector) };
        // SAFETY: the device leaves its bus; its drivers were dropped, so it masters the bus no more.
        unsafe { Port::<u32>::new(*port + EJECT).write(1 << (device & 31)) };
    }
}
