//! The HBA as a whole: handover from firmware, reset, interrupts (AHCI 1.3.1, 10).

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use switchboard::config::Address;
use switchboard::dma::DmaPort;
use switchboard::driver::ProbeError;
use switchboard::function::{BusPort, Function, Resources};
use switchboard::interrupt::{Interrupts, Live, Mode};
use switchboard::mmio::{Bar, BarWindows, RegisterBlock};
use switchboard::platform::Clock;

use super::interrupt::{PortShared, Shared};
use super::registers::{
    BOHC, CAP, CAP2, Capabilities, GHC, GlobalControl, Handover, HbaRegisters, LINK_UP, PI, PORT_BYTES, PORTS, PXCMD,
    PXSSTS, PortCommand, PortRegisters,
};

/// Firmware may take this long to give the HBA up (10.6.3), and longer while it finishes commands.
const HANDOVER_TIMEOUT_NS: u64 = 25_000_000;
const HANDOVER_BUSY_TIMEOUT_NS: u64 = 2_000_000_000;
/// A reset ends within a second (10.4.3).
const RESET_TIMEOUT_NS: u64 = 1_000_000_000;

/// A claimed HBA. The last value of a disk or controller that drops it resets the HBA, which then accesses no memory.
pub(super) struct Hba {
    pub(super) shared: Arc<Shared>,
    interrupts: Interrupts<1, Shared, Live>,
    pub(super) dma: DmaPort,
    bus: BusPort,
    pub(super) clock: &'static dyn Clock,
    pub(super) address: Address,
    pub(super) capabilities: Capabilities,
    /// The ports that had a device before the reset. Others may have one later.
    pub(super) connected: u32,
}

impl Hba {
    /// Claims and resets an HBA.
    pub(super) fn open(function: Function) -> Result<Self, ProbeError> {
        let (clock, address) = (function.clock(), function.address());
        let Resources { bar5, irq, dma, bus, presence, .. } = function.claim()?;
        let windows = bar5.windows()?;
        let hba: Bar<HbaRegisters> = windows.map(0, HbaRegisters::SIZE)?;
        take_over(&hba, clock);
        // Firmware may have written these registers, which a reset clears on some HBAs (3.1.1, 3.1.4).
        let (capabilities, implemented) = (Capabilities::from_bits_retain(hba.read(&CAP)), hba.read(&PI));
        hba.write(&GHC, GlobalControl::AHCI_ENABLE.bits());
        let ports = map_ports(&windows, implemented)?;
        let connected = connected(&ports);
        let may_change = capabilities.intersects(Capabilities::EXTERNAL_SATA | Capabilities::STAGGERED_SPIN_UP);
        if connected == 0 && !may_change && !ports.iter().any(|port| is_hot_plug(port)) {
            return Err(ProbeError::LeftAlone("no disk is connected"));
        }
        reset(&hba, clock)?;
        let dma = if capabilities.contains(Capabilities::ADDRESSES_64BIT) { dma } else { dma.limit_address_bits(32) };
        let (watcher, has_change) = Default::default();
        let shared = Arc::new(Shared { hba, presence, ports, watcher, has_change });
        let interrupts = irq.grant()?.register(shared.clone()).unmask();
        let this = Self { shared, interrupts, dma, bus, clock, address, capabilities, connected };
        let control = GlobalControl::AHCI_ENABLE | GlobalControl::INTERRUPT_ENABLE;
        this.shared.hba.write(&GHC, control.bits());
        Ok(this)
    }

    /// Returns the number of commands that a port takes.
    pub(super) fn slots(&self) -> u8 {
        u8::try_from(self.capabilities.bits() >> 8 & 31).unwrap_or(0) + 1
    }

    pub(super) fn has_ncq(&self) -> bool {
        self.capabilities.contains(Capabilities::NATIVE_COMMAND_QUEUING)
    }

    pub(super) fn mode(&self) -> Mode {
        self.interrupts.mode()
    }

    /// Takes the HBA off the bus, after a port did not stop.
    pub(super) fn quarantine(&self, fault: &dyn fmt::Display) {
        if self.shared.presence.confirm().is_ok() && !self.bus.is_isolated() {
            log::error!("{}: ahci: {fault}; the controller is quarantined", self.address);
        }
        self.bus.isolate();
    }

    pub(super) fn is_isolated(&self) -> bool {
        self.bus.is_isolated()
    }
}

/// Takes the HBA from the firmware, where that uses it (10.6).
fn take_over(hba: &Bar<HbaRegisters>, clock: &dyn Clock) {
    let handover = || Handover::from_bits_retain(hba.read(&BOHC));
    if hba.read(&CAP2) & 1 == 0 || !handover().contains(Handover::FIRMWARE_OWNS) {
        return;
    }
    hba.write(&BOHC, (handover() | Handover::SYSTEM_OWNS).bits());
    let is_free = || !handover().contains(Handover::FIRMWARE_OWNS);
    if !clock.wait_until(HANDOVER_TIMEOUT_NS, is_free) && handover().contains(Handover::FIRMWARE_BUSY) {
        clock.wait_until(HANDOVER_BUSY_TIMEOUT_NS, is_free);
    }
    // Firmware that does not answer is overruled by the reset.
}

fn map_ports(windows: &BarWindows, implemented: u32) -> Result<Vec<Arc<PortShared>>, ProbeError> {
    let numbers = (0..32_u8).filter(|number| implemented >> number & 1 != 0);
    let map = |number| {
        let registers = windows.map(PORTS + u64::from(number) * PORT_BYTES, PortRegisters::SIZE)?;
        Ok(Arc::new(PortShared::new(number, Arc::new(registers))))
    };
    numbers.map(map).collect()
}

/// Returns the ports with a device: a bit for each.
fn connected(ports: &[Arc<PortShared>]) -> u32 {
    let is_connected = |port: &&Arc<PortShared>| matches!(port.registers.read(&PXSSTS) & 0xf, 1 | LINK_UP);
    ports.iter().filter(is_connected).fold(0, |bits, port| bits | 1 << port.number)
}

fn is_hot_plug(port: &PortShared) -> bool {
    let command = PortCommand::from_bits_retain(port.registers.read(&PXCMD));
    command.intersects(PortCommand::HOT_PLUG | PortCommand::EXTERNAL | PortCommand::COLD_PRESENCE)
}

/// Resets the HBA: its ports are stopped and access no memory, interrupts are off.
fn reset(hba: &Bar<HbaRegisters>, clock: &dyn Clock) -> Result<(), ProbeError> {
    let control = GlobalControl::AHCI_ENABLE | GlobalControl::RESET;
    hba.write(&GHC, control.bits());
    let mut found = GlobalControl::all();
    clock.wait_until(RESET_TIMEOUT_NS, || {
        let value = hba.read(&GHC);
        found = GlobalControl::from_bits_retain(value);
        value == u32::MAX || !found.contains(GlobalControl::RESET)
    });
    if found.contains(GlobalControl::RESET) {
        let (wanted, found) = (0, found.bits().into());
        return Err(ProbeError::Unexpected { what: "GHC after the reset of the AHCI controller", wanted, found });
    }
    hba.write(&GHC, GlobalControl::AHCI_ENABLE.bits());
    Ok(())
}

impl Drop for Hba {
    fn drop(&mut self) {
        if !self.shared.presence.is_gone()
            && let Err(error) = reset(&self.shared.hba, self.clock)
            && self.shared.presence.confirm().is_ok()
        {
            log::warn!("{}: {error}", self.address);
        }
    }
}

impl fmt::Debug for Hba {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hba")
            .field("address", &self.address)
            .field("mode", &self.interrupts.mode())
            .finish_non_exhaustive()
    }
}
