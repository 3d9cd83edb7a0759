//! From a controller in any state to one that runs: where its registers are, the memory that it wants, reset, start.

use alloc::vec::Vec;

use switchboard::bar::{Bar, BarSlot};
use switchboard::dma::{DmaPort, DmaShared};
use switchboard::driver::ProbeError;
use switchboard::machine::Clock;

use super::registers::{
    CAPLENGTH, CONFIG, CRCR_HIGH, CRCR_LOW, Capability, Command, DBOFF, DCBAAP_HIGH, DCBAAP_LOW, Doorbells, HCSPARAMS1,
    HCSPARAMS2, Operational, PAGESIZE, RTSOFF, Runtime, Status, USBCMD, USBSTS, interrupter,
};
use super::rings::{self, CommandRing, EventRing};
use super::{INTERRUPTERS, Shared, write};

/// A controller that is halting, or comes up from a reset, takes milliseconds (5.4.1: 16 ms to halt).
const PATIENCE: u64 = 100_000_000;

/// What BAR 0 holds; the MSI-X table lies in it too.
pub(super) struct Blocks {
    pub(super) operational: Bar<Operational>,
    pub(super) runtime: Bar<Runtime>,
    pub(super) doorbells: Bar<Doorbells>,
    pub(super) interrupters: usize,
    scratchpads: usize,
}

impl Blocks {
    pub(super) fn map(bar0: BarSlot) -> Result<Self, ProbeError> {
        let windows = bar0.windows()?;
        let capability: Bar<Capability> = windows.map(0, 0x20)?;
        let [length, ..] = capability.read(&CAPLENGTH).to_le_bytes();
        let [_, interrupters, high, _] = capability.read(&HCSPARAMS1).to_le_bytes();
        let interrupters = usize::from(u16::from_le_bytes([interrupters, high & 7]));
        if interrupters == 0 || interrupters > 1024 {
            return Err(ProbeError::Device("a controller has 1 to 1,024 interrupters, and this one says otherwise"));
        }
        let (more, interrupters) = (capability.read(&HCSPARAMS2), interrupters.min(INTERRUPTERS));
        Ok(Self {
            operational: windows.map(length.into(), 0x3c)?,
            runtime: windows.map((capability.read(&RTSOFF) & !0x1f).into(), interrupter::place(interrupters))?,
            doorbells: windows.map((capability.read(&DBOFF) & !3).into(), 4)?,
            interrupters,
            // Ten bits, so no cast loses any.
            scratchpads: ((more >> 16 & 0x3e0) | more >> 27) as usize,
        })
    }
}

/// Memory that belongs to the controller while it runs.
#[derive(Debug)]
pub(super) struct Memory {
    /// Contexts of devices, of which there are none; the first place names the scratchpads (6.1).
    contexts: DmaShared<u64>,
    _scratchpads: Option<DmaShared<u64>>,
    _pages: Vec<DmaShared<u64>>,
}

impl Memory {
    pub(super) fn new(blocks: &Blocks, dma: &DmaPort) -> Result<Self, ProbeError> {
        if blocks.operational.read(&PAGESIZE) & 1 == 0 {
            return Err(ProbeError::Device("the controller does not know pages of 4,096 bytes"));
        }
        let mut contexts = rings::shared(dma, 256)?;
        let pages = (0..blocks.scratchpads).map(|_| rings::shared(dma, 512)).collect::<Result<Vec<_>, _>>()?;
        let mut scratchpads = None;
        if !pages.is_empty() {
            let mut table: DmaShared<u64> = rings::shared(dma, pages.len())?;
            for (index, page) in pages.iter().enumerate() {
                table.write(index, page.bus().get());
            }
            contexts.write(0, table.bus().get());
            scratchpads = Some(table);
        }
        Ok(Self { contexts, _scratchpads: scratchpads, _pages: pages })
    }
}

/// Halts and resets (4.2, 4.23.1).
pub(super) fn reset(operational: &Bar<Operational>, clock: &dyn Clock) -> Result<(), ProbeError> {
    let within = |is_done: &dyn Fn() -> bool, what| {
        let start = clock.now();
        while !is_done() {
            if operational.read(&USBSTS) == u32::MAX {
                return Err(ProbeError::Device("the controller does not answer"));
            }
            if clock.now().saturating_sub(start) > PATIENCE {
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
    let Shared { operational, runtime, .. } = shared;
    operational.write(&CONFIG, 0);
    operational.write(&DCBAAP_LOW, memory.contexts.bus().low());
    operational.write(&DCBAAP_HIGH, memory.contexts.bus().high());
    // Bit 0: the cycle that the ring begins with.
    operational.write(&CRCR_LOW, commands.bus().low() | 1);
    operational.write(&CRCR_HIGH, commands.bus().high());
    for (index, ring) in events.iter().enumerate() {
        write(runtime, index, interrupter::IMOD, 0);
        write(runtime, index, interrupter::ERSTSZ, 1);
        shared.read_to(index, ring.dequeue());
        write(runtime, index, interrupter::ERSTBA, ring.table().low());
        write(runtime, index, interrupter::ERSTBA + 4, ring.table().high());
        write(runtime, index, interrupter::IMAN, interrupter::PENDING | interrupter::ENABLE);
    }
    operational.write(&USBCMD, (Command::RUN | Command::INTERRUPTS).bits());
}

/// Halts, so that the controller reads and writes no ring any more.
pub(super) fn silence(operational: &Bar<Operational>) {
    operational.write(&USBCMD, 0);
    operational.write(&USBCMD, Command::RESET.bits());
}
