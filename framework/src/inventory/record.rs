//! The record of one function: its decoded configuration space, its owner and its driver's state.

use alloc::string::String;
use alloc::sync::Weak;
use alloc::vec::Vec;
use core::fmt;

use super::msix_table::check_table;
use super::watch::Watch;
use crate::assign::Unassigned;
use crate::bar::{BarFacts, BarKind, SriovFacts, size_bars};
use crate::config::{
    Address, BarOffset, COMMAND, Command, Defect, Facts, Header, HeaderKind, MsiCapability, MsixCapability,
    RefusalReason, Space, SriovCapability, same_ids,
};
use crate::platform::{Mode, Offers, Route};
use crate::sync::IrqLock;
use crate::sync::primitives::{AtomicBool, AtomicU64, Ordering};

/// A function of the machine: its configuration space as found, and its state.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) space: Space,
    /// The decoded configuration space.
    pub(crate) facts: Facts,
    /// The MSI capability, if it can be used.
    pub(crate) msi: Option<MsiCapability>,
    /// The MSI-X capability, if it can be used.
    pub(crate) msix: Option<MsixCapability>,
    pub(crate) bars: Vec<BarFacts>,
    /// The size of the expansion ROM in bytes.
    pub(crate) rom: Option<u64>,
    /// The virtual functions that this function has.
    pub(crate) sriov: Option<SriovFacts>,
    /// The physical function of which this is a virtual function.
    pub(crate) physical: Option<PhysicalFunction>,
    /// The earliest time at which virtual functions may be enabled (again), in nanoseconds of the clock.
    pub(crate) sriov_not_before_ns: AtomicU64,
    /// All defects: of `facts`, of the BARs and of the MSI-X table's place.
    pub(crate) defects: Vec<Defect>,
    pub(crate) watch: Watch,
    taken: AtomicBool,
    status: IrqLock<DriverStatus>,
}

/// The state of a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FunctionState {
    /// No driver owns it.
    Unclaimed,
    /// A driver runs it.
    Live,
    /// A driver's probe failed, with the error.
    Failed(String),
    /// Its driver leaves it alone, with the reason: nothing is wrong.
    LeftAlone(String),
    /// Its driver has isolated it from the bus, since it violated its specification.
    Isolated,
    /// It was removed from the bus, and its driver has not released it yet.
    Gone,
}

#[derive(Debug, Clone)]
pub(crate) struct DriverStatus {
    pub(crate) driver: Option<&'static str>,
    pub(crate) state: FunctionState,
    pub(crate) mode: Option<Mode>,
    /// The route of the line, in mode INTx.
    pub(crate) route: Option<Route>,
    /// What the driver reports of its device.
    pub(crate) details: Vec<(&'static str, String)>,
}

impl DriverStatus {
    const UNCLAIMED: Self =
        Self { driver: None, state: FunctionState::Unclaimed, mode: None, route: None, details: Vec::new() };
}

/// The physical function of a virtual one. The ID registers of a virtual function read all ones (PCIe 5.0, 9.3.4.1.1).
#[derive(Debug, Clone)]
pub(crate) struct PhysicalFunction {
    pub(crate) space: Space,
    /// Its Vendor ID and Device ID.
    pub(crate) ids: (u16, u16),
    pub(crate) capability: SriovCapability,
    /// What keeps its virtual functions enabled.
    pub(crate) enabled: Weak<dyn KeepsEnabled>,
}

impl PhysicalFunction {
    /// Returns whether the function is present, with its virtual functions enabled.
    fn has_virtual_functions(&self) -> bool {
        (self.space.read_u16(0), self.space.read_u16(2)) == self.ids && self.capability.is_enabled(self.space)
    }
}

/// A value that keeps virtual functions enabled while it lives.
pub(crate) trait KeepsEnabled: fmt::Debug + Send + Sync {}

/// A part of a BAR that only the framework may touch.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MsixRange {
    pub(crate) bar: u8,
    pub(crate) start: u64,
    pub(crate) end: u64,
}

impl Record {
    /// Decodes a function that the walk found, and sizes its BARs.
    ///
    /// # Errors
    /// [`RefusalReason`] for a function that must be left out.
    pub(crate) fn read(space: Space, header: Header) -> Result<Self, RefusalReason> {
        let facts = Facts::read(space, header);
        let sizes = size_bars(space, &facts)?;
        if let Some(rom) = facts.rom.filter(|rom| rom.is_enabled && sizes.rom.is_some()) {
            log::info!("{}: the expansion ROM at {:#x} is switched off", space.address(), rom.address);
        }
        // The function may have been removed meanwhile, or may not return constant values.
        same_ids(header.ids(), space.read_u32(0))?;
        let mut defects = facts.defects.clone();
        defects.extend(sizes.defects);
        if let HeaderKind::Bridge(bridge) = header.kind
            && bridge.buses.primary != space.address().bus()
        {
            defects.push(Defect::PrimaryBus { found: bridge.buses.primary });
        }
        let sriov = match facts.extended_capabilities().iter().find(|entry| entry.id == SriovCapability::ID) {
            Some(entry) => SriovFacts::read(space, SriovCapability::read(space, entry.offset)),
            None => None,
        };
        let bars = sizes.bars;
        Ok(Self { rom: sizes.rom, sriov, ..Self::new(space, facts, bars, defects) })
    }

    /// Decodes a virtual function that was enabled. Its Vendor ID and Device ID are those that its physical function reports for
    /// it.
    pub(crate) fn read_virtual(space: Space, physical: PhysicalFunction, bars: Vec<BarFacts>) -> Self {
        let (vendor, device) = (physical.ids.0, physical.capability.device);
        // It has no pin (9.3.4.1.14), whatever its register reads.
        let facts = Facts::read(space, Header { vendor, device, pin: None, ..Header::decode(space) });
        let mut defects = facts.defects.clone();
        defects.retain(|defect| !matches!(defect, Defect::Pin { .. }));
        Self { physical: Some(physical), ..Self::new(space, facts, bars, defects) }
    }

    fn new(space: Space, facts: Facts, bars: Vec<BarFacts>, mut defects: Vec<Defect>) -> Self {
        let msi = facts.msi.filter(|msi| Defect::check_msi(*msi, &facts.capabilities).is_ok());
        let msix = facts.msix.filter(|msix| Defect::check_msix(*msix, &facts.capabilities).is_ok());
        let place = msix.map_or(Ok(()), |msix| check_table(msix, &bars));
        defects.extend(place.err());
        defects.iter().for_each(|defect| log::warn!("{}: {defect}", space.address()));
        Self {
            space,
            facts,
            msi,
            msix: msix.filter(|_| place.is_ok()),
            bars,
            rom: None,
            sriov: None,
            physical: None,
            sriov_not_before_ns: AtomicU64::new(0),
            defects,
            watch: Watch::default(),
            taken: AtomicBool::new(false),
            status: IrqLock::new(DriverStatus::UNCLAIMED),
        }
    }

    /// Returns the Vendor ID and the Device ID as they read now; all ones where no function responds.
    pub(crate) fn read_ids(&self) -> (u16, u16) {
        match &self.physical {
            None => (self.space.read_u16(0), self.space.read_u16(2)),
            Some(physical) if physical.has_virtual_functions() && self.space.read_u16(COMMAND) != u16::MAX => {
                (self.header().vendor, self.header().device)
            }
            Some(_) => (u16::MAX, u16::MAX),
        }
    }

    pub(crate) fn address(&self) -> Address {
        self.space.address()
    }

    /// Returns segment and number of the function's bus.
    pub(crate) fn bus(&self) -> (u16, u8) {
        (self.address().segment(), self.address().bus())
    }

    /// Returns whether the function is known to be gone.
    pub(crate) fn is_gone(&self) -> bool {
        self.watch.is_gone()
    }

    /// Returns the decoding bits that may be set in Command. A function has one enable bit for all of its ports and one for all of its memory,
    /// so a BAR without an address would decode whatever its register holds. A 64-bit BAR is moved out of reach instead.
    pub(crate) fn decodable(&self) -> Command {
        let is_stray = |bar: &&BarFacts| bar.address.is_err() && !matches!(bar.kind, BarKind::Memory64 { .. });
        self.bars.iter().filter(is_stray).fold(Command::IO_ENABLE | Command::MEMORY_ENABLE, |command, bar| {
            command - if bar.kind == BarKind::Io { Command::IO_ENABLE } else { Command::MEMORY_ENABLE }
        })
    }

    /// Marks the BARs that cannot be decoded because their enable bit must stay off.
    pub(crate) fn mark_undecodable_bars(&mut self) {
        let decodable = self.decodable();
        let is_stray = |bar: &&BarFacts| bar.address.is_err() && matches!(bar.kind, BarKind::Memory32 { .. });
        let Some(stray) = self.bars.iter().find(is_stray).map(|bar| bar.index) else { return };
        let is_off = |bar: &BarFacts| bar.kind != BarKind::Io && !decodable.contains(Command::MEMORY_ENABLE);
        for bar in self.bars.iter_mut().filter(|bar| is_off(bar)) {
            bar.address = bar.address.and(Err(Unassigned::SwitchedOff { with: stray }));
        }
    }

    pub(crate) fn header(&self) -> &Header {
        &self.facts.header
    }

    pub(crate) fn bar(&self, index: u8) -> Option<BarFacts> {
        self.bars.iter().find(|bar| bar.index == index).copied()
    }

    pub(crate) fn offers(&self) -> Offers {
        Offers {
            intx: self.header().pin,
            msi: self.msi.map_or(0, |msi| msi.count),
            msix: self.msix.map_or(0, |msix| msix.count),
        }
    }

    /// Returns the parts of BARs that hold the MSI-X table and the pending bits.
    pub(crate) fn msix_ranges(&self) -> [Option<MsixRange>; 2] {
        let range = |place: BarOffset, length: u64| MsixRange {
            bar: place.bar,
            start: place.offset.into(),
            end: u64::from(place.offset) + length,
        };
        [
            self.msix.map(|msix| range(msix.table, msix.table_length())),
            self.msix.map(|msix| range(msix.pending, msix.pending_length())),
        ]
    }

    /// Returns the name of the function's driver, or `none`.
    pub(crate) fn driver(&self) -> &'static str {
        self.status.lock().driver.unwrap_or("none")
    }

    pub(crate) fn status(&self) -> DriverStatus {
        let status = self.status.lock().clone();
        if self.watch.is_gone() { DriverStatus { state: FunctionState::Gone, ..status } } else { status }
    }

    /// Makes the caller the function's owner. Returns `false` when it has one already.
    pub(crate) fn take(&self) -> bool {
        self.taken.compare_exchange(false, true, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }

    /// Ends the ownership.
    pub(crate) fn release(&self) {
        self.update(|status| {
            if matches!(status.state, FunctionState::Live | FunctionState::Isolated) {
                *status = DriverStatus::UNCLAIMED;
            }
        });
        self.taken.store(false, Ordering::SeqCst);
    }

    /// Returns whether the function has an owner.
    pub(crate) fn is_taken(&self) -> bool {
        self.taken.load(Ordering::SeqCst)
    }

    pub(crate) fn update(&self, change: impl FnOnce(&mut DriverStatus)) {
        change(&mut self.status.lock());
    }
}
