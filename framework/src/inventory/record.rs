//! What is known of one function, and how it fares.

use alloc::string::String;
use alloc::vec::Vec;

use super::msix_table::check_table;
use super::watch::Watch;
use crate::assign::Unassigned;
use crate::bar::{BarFacts, BarKind, size_bars};
use crate::config::{
    Address, BarOffset, Command, Defect, Facts, Header, HeaderKind, MsiCapability, MsixCapability, RefusalReason,
    Space, same_ids,
};
use crate::platform::{Mode, Offers, Route};
use crate::sync::IrqLock;
use crate::sync::primitives::{AtomicBool, Ordering};

/// A function of the machine: the facts of its configuration space, and its state.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) space: Space,
    /// What it says of itself.
    pub(crate) facts: Facts,
    /// Its MSI capability, if that can be used.
    pub(crate) msi: Option<MsiCapability>,
    /// Its MSI-X capability, if that can be used.
    pub(crate) msix: Option<MsixCapability>,
    pub(crate) bars: Vec<BarFacts>,
    /// Bytes of its expansion ROM.
    pub(crate) rom: Option<u64>,
    /// What of all that is not believed.
    pub(crate) defects: Vec<Defect>,
    pub(crate) watch: Watch,
    taken: AtomicBool,
    status: IrqLock<DriverStatus>,
}

/// How a function fares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FunctionState {
    /// No driver has it.
    Unclaimed,
    /// A driver runs it.
    Live,
    /// A driver gave it up, and why.
    Failed(String),
    /// It was taken out of the machine, and its driver has not let go of it yet.
    Gone,
}

#[derive(Debug, Clone)]
pub(crate) struct DriverStatus {
    pub(crate) driver: Option<&'static str>,
    pub(crate) state: FunctionState,
    pub(crate) mode: Option<Mode>,
    /// Of the line, when that is the mode.
    pub(crate) route: Option<Route>,
}

impl DriverStatus {
    const UNCLAIMED: Self = Self { driver: None, state: FunctionState::Unclaimed, mode: None, route: None };
}

/// A part of a BAR that only the framework may touch.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MsixRange {
    pub(crate) bar: u8,
    pub(crate) start: u64,
    pub(crate) end: u64,
}

impl Record {
    /// Looks at a function that the walk found.
    ///
    /// # Errors
    /// [`RefusalReason`] for one that is to be left out.
    pub(crate) fn read(space: Space, header: Header) -> Result<Self, RefusalReason> {
        let facts = Facts::read(space, header);
        let sizes = size_bars(space, &facts)?;
        // All of the above may have been read of a function on its way out, or of one that makes it up as it goes.
        same_ids(header.ids(), space.read_u32(0))?;
        let mut defects = facts.defects.clone();
        defects.extend(sizes.defects);
        if let HeaderKind::Bridge(bridge) = header.kind
            && bridge.buses.primary != space.address().bus()
        {
            defects.push(Defect::PrimaryBus { found: bridge.buses.primary });
        }
        let msi = facts.msi.filter(|msi| Defect::check_msi(*msi, &facts.capabilities).is_ok());
        let msix = facts.msix.filter(|msix| Defect::check_msix(*msix, &facts.capabilities).is_ok());
        let place = msix.map_or(Ok(()), |msix| check_table(msix, &sizes.bars));
        defects.extend(place.err());
        defects.iter().for_each(|defect| log::warn!("{}: {defect}", space.address()));
        Ok(Self {
            space,
            facts,
            msi,
            msix: msix.filter(|_| place.is_ok()),
            bars: sizes.bars,
            rom: sizes.rom,
            defects,
            watch: Watch::default(),
            taken: AtomicBool::new(false),
            status: IrqLock::new(DriverStatus::UNCLAIMED),
        })
    }

    pub(crate) fn address(&self) -> Address {
        self.space.address()
    }

    /// Segment and number of the bus that it is on.
    pub(crate) fn bus(&self) -> (u16, u8) {
        (self.address().segment(), self.address().bus())
    }

    /// Whether it is known to be gone.
    pub(crate) fn is_gone(&self) -> bool {
        self.watch.is_gone()
    }

    /// What it may be told to decode. A function has one switch for its ports and one for its memory: a BAR that is
    /// nowhere would decode whatever its register happens to say. One of 64 bits is put out of reach instead.
    pub(crate) fn decodable(&self) -> Command {
        let is_stray = |bar: &&BarFacts| bar.address.is_err() && !matches!(bar.kind, BarKind::Memory64 { .. });
        self.bars.iter().filter(is_stray).fold(Command::IO_ENABLE | Command::MEMORY_ENABLE, |command, bar| {
            command - if bar.kind == BarKind::Io { Command::IO_ENABLE } else { Command::MEMORY_ENABLE }
        })
    }

    /// Takes their addresses from BARs whose switch has to stay off.
    pub(crate) fn switch_off_what_is_nowhere(&mut self) {
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

    /// Where the MSI-X table and the pending bits are.
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

    /// Returns the name of the driver that has it, or `none`.
    pub(crate) fn driver(&self) -> &'static str {
        self.status.lock().driver.unwrap_or("none")
    }

    pub(crate) fn status(&self) -> DriverStatus {
        let status = self.status.lock().clone();
        if self.watch.is_gone() { DriverStatus { state: FunctionState::Gone, ..status } } else { status }
    }

    /// Makes the caller its owner. Returns whether it had none.
    pub(crate) fn take(&self) -> bool {
        self.taken.compare_exchange(false, true, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }

    /// Gives it back.
    pub(crate) fn release(&self) {
        self.update(|status| {
            if status.state == FunctionState::Live {
                *status = DriverStatus::UNCLAIMED;
            }
        });
        self.taken.store(false, Ordering::SeqCst);
    }

    /// Whether it has an owner.
    pub(crate) fn is_taken(&self) -> bool {
        self.taken.load(Ordering::SeqCst)
    }

    pub(crate) fn update(&self, change: impl FnOnce(&mut DriverStatus)) {
        change(&mut self.status.lock());
    }
}
