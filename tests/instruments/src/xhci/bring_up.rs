//! Brings a controller up: finds its registers, resets it, allocates its memory and starts it.

use alloc::vec::Vec;

use switchboard::dma::{BusAddress, DmaPort, DmaShared};
use switchboard::driver::ProbeError;
use switchboard::mmio::{Bar, RegisterBlock, UnmappedBar};
use switchboard::platform::Clock;

use super::registers::{
    CAPLENGTH, CONFIG, CRCR, Capability, DBOFF, DCBAAP, Doorbells, ENABLE, ERDP, ERSTBA, ERSTSZ, HCSPARAMS1,
    HCSPARAMS2, IMAN, IMOD, Interrupter, Operational, PAGESIZE, PENDING, RTSOFF, USBCMD, USBSTS, UsbCommand, UsbStatus,
};
use super::rings::{self, CommandRing, EventRing};
use super::{INTERRUPTERS, Shared};

/// The timeout for a halt or a reset, which take milliseconds (5.4.1: 16 ms to halt).
const RESET_TIMEOUT_NS: u64 = 100_000_000;

/// The register blocks in BAR 0, which may also contain the MSI-X table.
pub(super) struct RegisterBlocks {
    pub(super) operational: Bar<Operational>,
    pub(super) interrupters: Vec<Bar<Interrupter>>,
    pub(super) doorbells: Bar<Doorbells>,
    scratchpads: usize,
}

impl RegisterBlocks {
    pub(super) fn map(bar0: UnmappedBar) -> Result<Self, ProbeError> {
        let windows = bar0.windows()?;
        let capability: Bar<Capability> = windows.map(0, 0x20)?;
        let [length, ..] = capability.read(&CAPLENGTH).to_le_bytes();
        let [_, interrupters, high, _] = capability.read(&HCSPARAMS1).to_le_bytes();
        let interrupters = usize::from(u16::from_le_bytes([interrupters, high & 7]));
        if interrupters == 0 || interrupters > 1024 {
            return Err(ProbeError::Device(
                "a controller has 1 to 1,024 interrupters, and this one reports another number",
            ));
        }
        let (more, interrupters) = (capability.read(&HCSPARAMS2), interrupters.min(INTERRUPTERS));
        let runtime = u64::from(capability.read(&RTSOFF) & !0x1f);
        let map = |index| windows.map(runtime + Interrupter::offset(index), Interrupter::SIZE);
        Ok(Self {
            operational: windows.map(length.into(), 0x3c)?,
            interrupters: (0..interrupters).map(map).collect::<Result<_, _>>()?,
            doorbells: windows.map((capability.read(&DBOFF) & !3).into(), 4)?,
            // Ten bits, so no cast loses any.
            scratchpads: ((more >> 16 & 0x3e0) | more >> 27) as usize,
        })
    }
}

/// The memory that the controller uses while it runs.
#[derive(Debug)]
pub(super) struct ControllerMemory {
    /// The device context array (6.1): no devices, and the address of the scratchpad array in the first entry.
    contexts: DmaShared<BusAddress>,
    _scratchpads: Option<DmaShared<BusAddress>>,
    _pages: Vec<DmaShared<u64>>,
}

impl ControllerMemory {
    pub(super) fn new(blocks: &RegisterBlocks, dma: &DmaPort) -> Result<Self, ProbeError> {
        if blocks.operational.read(&PAGESIZE) & 1 == 0 {
            return Err(ProbeError::Device("the controller does not support pages of 4,096 bytes"));
        }
        let mut contexts: DmaShared<BusAddress> = rings::shared(dma, 256)?;
        let pages = (0..blocks.scratchpads).map(|_| rings::shared(dma, 512)).collect::<Result<Vec<_>, _>>()?;
        let mut scratchpads = None;
        if !pages.is_empty() {
            let mut table: DmaShared<BusAddress> = rings::shared(dma, pages.len())?;
            for (index, page) in pages.iter().enumerate() {
                table.write(index, page.bus());
            }
            contexts.write(0, table.bus());
            scratchpads = Some(table);
        }
        Ok(Self { contexts, _scratchpads: scratchpads, _pages: pages })
    }
}

/// Halts and resets the controller (4.2, 4.23.1).
pub(super) fn reset(operational: &Bar<Operational>, clock: &dyn Clock) -> Result<(), ProbeError> {
    let within = |is_done: &dyn Fn() -> bool, what| {
        let is_absent = || operational.read(&USBSTS) == u32::MAX;
        match clock.wait_until(RESET_TIMEOUT_NS, || is_done() || is_absent()) {
            _ if is_absent() => Err(ProbeError::Device("the controller does not answer")),
            true => Ok(()),
            false => Err(ProbeError::Device(what)),
        }
    };
    let status = || UsbStatus::from_bits_truncate(operational.read(&USBSTS));
    operational.write(&USBCMD, 0);
    within(&|| status().contains(UsbStatus::HALTED), "the controller does not halt")?;
    operational.write(&USBCMD, UsbCommand::RESET.bits());
    within(&|| operational.read(&USBCMD) & UsbCommand::RESET.bits() == 0, "the reset does not end")?;
    within(&|| !status().contains(UsbStatus::NOT_READY), "the controller does not become ready")
}

/// Sets up rings and interrupters, and starts the controller (4.2).
pub(super) fn start(shared: &Shared, memory: &ControllerMemory, commands: &CommandRing, events: &[EventRing]) {
    let operational = &shared.operational;
    operational.write(&CONFIG, 0);
    operational.write_address_pair(&DCBAAP, memory.contexts.bus());
    operational.write_address_pair(&CRCR, commands.bus());
    for (ring, interrupter) in events.iter().zip(&shared.interrupters) {
        interrupter.write(&IMOD, 0);
        interrupter.write(&ERSTSZ, 1);
        interrupter.write_address_pair(&ERDP, ring.dequeue_pointer());
        interrupter.write_address_pair(&ERSTBA, ring.table());
        interrupter.write(&IMAN, PENDING | ENABLE);
    }
    operational.write(&USBCMD, (UsbCommand::RUN | UsbCommand::INTERRUPTS).bits());
}

/// Resets the controller, which stops all DMA.
pub(super) fn quiesce(operational: &Bar<Operational>) {
    operational.write(&USBCMD, 0);
    operational.write(&USBCMD, UsbCommand::RESET.bits());
}
