//! From a controller in any state to one that runs: where its registers are, the memory that it wants, reset, start.

use alloc::vec::Vec;

use switchboard::dma::{BusAddress, DmaPort, DmaShared};
use switchboard::driver::ProbeError;
use switchboard::mmio::{Bar, RegisterBlock, UnmappedBar};
use switchboard::platform::Clock;

use super::registers::{
    CAPLENGTH, CONFIG, CRCR, Capability, Command, DBOFF, DCBAAP, Doorbells, ENABLE, ERDP, ERSTBA, ERSTSZ, HCSPARAMS1,
    HCSPARAMS2, IMAN, IMOD, Interrupter, Operational, PAGESIZE, PENDING, RTSOFF, Status, USBCMD, USBSTS,
};
use super::rings::{self, CommandRing, EventRing};
use super::{INTERRUPTERS, Shared};

/// A controller that is halting, or comes up from a reset, takes milliseconds (5.4.1: 16 ms to halt).
const PATIENCE: u64 = 100_000_000;

/// What BAR 0 holds; the MSI-X table lies in it too.
pub(super) struct Blocks {
    pub(super) operational: Bar<Operational>,
    pub(super) interrupters: Vec<Bar<Interrupter>>,
    pub(super) doorbells: Bar<Doorbells>,
    scratchpads: usize,
}

impl Blocks {
    pub(super) fn map(bar0: UnmappedBar) -> Result<Self, ProbeError> {
        let windows = bar0.windows()?;
        let capability: Bar<Capability> = windows.map(0, 0x20)?;
        let [length, ..] = capability.read(&CAPLENGTH).to_le_bytes();
        let [_, interrupters, high, _] = capability.read(&HCSPARAMS1).to_le_bytes();
        let interrupters = usize::from(u16::from_le_bytes([interrupters, high & 7]));
        if interrupters == 0 || interrupters > 1024 {
            return Err(ProbeError::Device("a controller has 1 to 1,024 interrupters, and this one says otherwise"));
        }
        let (more, interrupters) = (capability.read(&HCSPARAMS2), interrupters.min(INTERRUPTERS));
        let runtime = u64::from(capability.read(&RTSOFF) & !0x1f);
        let map = |index| windows.map(runtime + Interrupter::place(index), Interrupter::SIZE);
        Ok(Self {
            operational: windows.map(length.into(), 0x3c)?,
            interrupters: (0..interrupters).map(map).collect::<Result<_, _>>()?,
            doorbells: windows.map((capability.read(&DBOFF) & !3).into(), 4)?,
            // Ten bits, so no cast loses any.
            scratchpads: ((more >> 16 & 0x3e0) | more >> 27) as usize,
        })
    }
}

/// Memory that belongs to the controller while it runs.
#[derive(Debug)]
pub(super) struct Memory {
    /// Contexts of devices, of which there are none; the first place names the scratchpads (6.1).
    contexts: DmaShared<BusAddress>,
    _scratchpads: Option<DmaShared<BusAddress>>,
    _pages: Vec<DmaShared<u64>>,
}

impl Memory {
    pub(super) fn new(blocks: &Blocks, dma: &DmaPort) -> Result<Self, ProbeError> {
        if blocks.operational.read(&PAGESIZE) & 1 == 0 {
            return Err(ProbeError::Device("the controller does not know pages of 4,096 bytes"));
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

/// Halts and resets (4.2, 4.23.1).
pub(super) fn reset(operational: &Bar<Operational>, clock: &dyn Clock) -> Result<(), ProbeError> {
    let within = |is_done: &dyn Fn() -> bool, what| {
        let start = clock.now_ns();
        while !is_done() {
            if operational.read(&USBSTS) == u32::MAX {
                return Err(ProbeError::Device("the controller does not answer"));
            }
            if clock.now_ns().saturating_sub(start) > PATIENCE {
                return Err(ProbeError::Device(what));
            }
        }
        Ok(())
    };
    let status = || Status::from_bits_truncate(operational.read(&USBSTS));
    operational.write(&USBCMD, 0);
    within(&|| status().contains(Status::HALTED), "the controller does not halt")?;
    operational.write(&USBCMD, Command::RESET.bits());
    within(&|| operational.read(&USBCMD) & Command::RESET.bits() == 0, "the reset does not end")?;
    within(&|| !status().contains(Status::NOT_READY), "the controller does not become ready")
}

pub(super) fn start(shared: &Shared, memory: &Memory, commands: &CommandRing, events: &[EventRing]) {
    let operational = &shared.operational;
    operational.write(&CONFIG, 0);
    operational.write_address_pair(&DCBAAP, memory.contexts.bus());
    operational.write_address_pair(&CRCR, commands.bus());
    for (ring, interrupter) in events.iter().zip(&shared.interrupters) {
        interrupter.write(&IMOD, 0);
        interrupter.write(&ERSTSZ, 1);
        interrupter.write_address_pair(&ERDP, ring.dequeue());
        interrupter.write_address_pair(&ERSTBA, ring.table());
        interrupter.write(&IMAN, PENDING | ENABLE);
    }
    operational.write(&USBCMD, (Command::RUN | Command::INTERRUPTS).bits());
}

/// Halts, so that the controller reads and writes no ring any more.
pub(super) fn silence(operational: &Bar<Operational>) {
    operational.write(&USBCMD, 0);
    operational.write(&USBCMD, Command::RESET.bits());
}
