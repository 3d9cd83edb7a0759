//! The MSI-X table, programmed (PCI 3.0, 6.8.2).
//!
//! An entry is an address that the device writes: this module is the only one that touches the table.
//! Accesses are 32 bits wide, which every device takes, and an entry changes only while it is masked.

use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::ops::Range;

use super::error::GrantError;
use crate::config::{BarOffset, MsixCapability, Space};
use crate::mmio::{MapError, RegisterWindow, locate};
use crate::ownership::Claimed;
use crate::platform::{MessageTarget, Mode};
use crate::sync::IrqLock;
use crate::sync::primitives::{AtomicBool, Ordering, planted};

const ADDRESS: u64 = 0;
const UPPER_ADDRESS: u64 = 4;
const DATA: u64 = 8;
const VECTOR_CONTROL: u64 = 12;
const MASKED: u32 = 1;

/// Who wants an entry masked.
#[derive(Debug, Clone, Copy, Default)]
struct Entry {
    is_taken: bool,
    /// Its registration is not live.
    is_held: bool,
    /// Its driver polls.
    is_polled: bool,
    owner: u64,
}

/// A mapped table, enabled. Dropping masks it and turns it off.
pub(super) struct Msix {
    space: Space,
    capability: MsixCapability,
    table: RegisterWindow,
    pending: RegisterWindow,
    entries: IrqLock<Vec<Entry>>,
    /// We turned it on; firmware may have left it so.
    is_on: AtomicBool,
    claimed: Arc<Claimed>,
}

impl Msix {
    /// Maps the table, masks every entry, and turns MSI-X on.
    ///
    /// Firmware may have left entries unmasked, and some devices give access to the table only when MSI-X is on:
    /// so it goes on under the function mask first.
    pub(super) fn open(claimed: &Arc<Claimed>) -> Result<Self, GrantError> {
        let stuck = GrantError::IgnoresWrites { mode: Mode::Msix };
        let (space, capability) = (claimed.space(), claimed.record().msix.ok_or(stuck)?);
        let table = map(claimed, capability.table, capability.table_length())?;
        let pending = map(claimed, capability.pending, capability.pending_length())?;
        let entries = IrqLock::new(vec![Entry::default(); usize::from(capability.count)]);
        let this = Self {
            space,
            capability,
            table,
            pending,
            entries,
            is_on: AtomicBool::new(false),
            claimed: claimed.clone(),
        };
        this.enable();
        let control = this.read_control();
        // All ones have the bit set, too: nothing answers. Nor is there a table that has another size by now, or whose
        // entries read ones, reserved bits and all.
        let is_sane = control & MsixCapability::ENABLE != 0
            && control != u16::MAX
            && control & MsixCapability::SIZE == capability.count - 1
            && !this.reads_ones();
        if !is_sane {
            return Err(stuck);
        }
        claimed.record().update(|status| status.mode = Some(Mode::Msix));
        Ok(this)
    }

    /// Masks every entry and turns MSI-X on, unless it is on.
    pub(super) fn enable(&self) {
        if self.claimed.is_gone() {
            return;
        }
        if self.read_control() & MsixCapability::ENABLE != 0 && self.is_on.load(Ordering::Relaxed) {
            return;
        }
        self.control(|control| control | MsixCapability::ENABLE | MsixCapability::FUNCTION_MASK);
        for entry in 0..self.count() {
            self.write(entry, VECTOR_CONTROL, MASKED);
        }
        self.flush();
        self.control(|control| control & !MsixCapability::FUNCTION_MASK);
        self.is_on.store(true, Ordering::Relaxed);
    }

    pub(super) fn count(&self) -> usize {
        usize::from(self.capability.count)
    }

    /// Entries that nobody has.
    pub(super) fn free(&self) -> usize {
        self.entries.lock().iter().filter(|entry| !entry.is_taken).count()
    }

    /// Takes neighbouring entries; `None` when no run of free ones is long enough.
    pub(super) fn take(&self, count: usize) -> Option<usize> {
        let mut entries = self.entries.lock();
        let first = entries.windows(count).position(|run| run.iter().all(|entry| !entry.is_taken))?;
        for entry in &mut entries[first..first + count] {
            *entry = Entry { is_taken: true, is_held: true, is_polled: false, owner: entry.owner + 1 };
        }
        Some(first)
    }

    /// Gives masked entries back.
    pub(super) fn give_back(&self, entries: Range<usize>) {
        for entry in &mut self.entries.lock()[entries] {
            *entry = Entry { owner: entry.owner + 1, ..Entry::default() };
        }
    }

    /// Points a masked entry at its vector.
    pub(super) fn program(&self, entry: usize, target: MessageTarget) {
        self.write(entry, ADDRESS, (target.address & 0xffff_ffff) as u32);
        self.write(entry, UPPER_ADDRESS, (target.address >> 32) as u32);
        self.write(entry, DATA, target.data);
    }

    /// Masks entries for their registration; once this returns, nothing of them is under way.
    pub(super) fn mask(&self, entries: Range<usize>) {
        for entry in entries {
            self.change(entry, |state| state.is_held = true);
        }
        self.flush();
    }

    /// Unmasks an entry for its registration; what is pending is sent.
    pub(super) fn unmask(&self, entry: usize) {
        self.change(entry, |state| state.is_held = false);
    }

    /// Masks or unmasks an entry for its driver, who polls meanwhile; if it still belongs to that owner.
    pub(super) fn set_polled(&self, entry: usize, owner: u64, polled: bool) {
        self.change(entry, |state| {
            if state.owner == owner {
                state.is_polled = polled;
            }
        });
    }

    /// Who has the entry; a number that no two owners share.
    pub(super) fn owner(&self, entry: usize) -> u64 {
        self.entries.lock()[entry].owner
    }

    /// Changes what is known of an entry and tells its mask bit, as one: an ISR may be at the same entry.
    fn change(&self, entry: usize, change: impl FnOnce(&mut Entry)) {
        let mut entries = self.entries.lock();
        change(&mut entries[entry]);
        let Entry { is_taken, is_held, is_polled, .. } = entries[entry];
        let masked = planted!(is_held || is_polled || !is_taken, "polling-unmasks-for-all" => is_polled);
        planted!("mask-bit-after-lock" => drop(entries));
        self.write(entry, VECTOR_CONTROL, if masked { MASKED } else { 0 });
    }

    /// Whether the function holds the entry's message back.
    pub(super) fn is_pending(&self, entry: usize) -> bool {
        let word: Option<u32> = self.pending.read(entry as u64 / 32 * 4);
        word.is_some_and(|word| word & 1 << (entry % 32) != 0)
    }

    fn write(&self, entry: usize, register: u64, value: u32) {
        // `open` mapped the whole table, and entries come from folding over its length.
        let written = self.table.write(entry as u64 * MsixCapability::ENTRY + register, value);
        debug_assert!(written.is_some(), "entry {entry} lies outside the MSI-X table");
    }

    /// A read of the table pushes writes to it out, and what the device sent before the answer in.
    fn flush(&self) {
        let _: Option<u32> = planted!(self.table.read(VECTOR_CONTROL), "no-read-back" => None);
    }

    /// Whether the first entry reads ones, reserved bits and all: no table is there.
    fn reads_ones(&self) -> bool {
        self.table.read(VECTOR_CONTROL) == Some(u32::MAX)
    }

    fn read_control(&self) -> u16 {
        self.space.read_u16(self.capability.offset + MsixCapability::CONTROL)
    }

    fn control(&self, change: impl FnOnce(u16) -> u16) {
        self.space.update_u16(self.capability.offset + MsixCapability::CONTROL, change);
    }
}

impl Drop for Msix {
    fn drop(&mut self) {
        self.claimed.record().update(|status| status.mode = None);
        if self.claimed.is_gone() {
            return;
        }
        self.control(|control| control | MsixCapability::FUNCTION_MASK);
        self.flush();
        self.control(|control| control & !(MsixCapability::ENABLE | MsixCapability::FUNCTION_MASK));
    }
}

/// Maps a part of a BAR that the capability names.
fn map(claimed: &Claimed, place: BarOffset, length: u64) -> Result<RegisterWindow, GrantError> {
    let physical = locate(claimed, place.bar, place.offset.into(), length)?;
    Ok(RegisterWindow::map(claimed.machine().memory, physical, length).map_err(MapError::from)?)
}
