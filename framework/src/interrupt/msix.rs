//! Programming of the MSI-X capability and its table (PCI 3.0, 6.8.2).
//!
//! An entry holds an address that the device writes to, so this module is the only one that accesses the table. Accesses are
//! 32 bits wide, which every device supports, and an entry is changed only while it is masked.

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

/// The reasons for which an entry is masked.
#[derive(Debug, Clone, Copy, Default)]
struct Entry {
    is_taken: bool,
    /// Its registration is not live.
    is_held: bool,
    /// Its driver polls ([`MessageMask`](super::MessageMask)).
    is_polled: bool,
    /// Counts the owners of the entry, so that a mask of an earlier owner has no effect.
    owner: u64,
}

/// An enabled MSI-X capability and its mapped table. Dropping masks it and disables it.
pub(super) struct Msix {
    space: Space,
    capability: MsixCapability,
    table: RegisterWindow,
    pending: RegisterWindow,
    entries: IrqLock<Vec<Entry>>,
    /// The framework enabled the capability. Without this, an enable bit may be left from firmware.
    is_on: AtomicBool,
    claimed: Arc<Claimed>,
}

impl Msix {
    /// Maps the table, masks every entry, and enables MSI-X.
    ///
    /// Firmware may have left entries unmasked, and some devices allow access to the table only while MSI-X is enabled: so it is
    /// enabled with the function mask set first.
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
        // All ones mean that the function does not respond. A table that changed its size, or whose entries read all ones
        // including the reserved bits, is not there either.
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

    /// Masks every entry and enables MSI-X, unless it is enabled.
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

    /// Returns the number of free entries.
    pub(super) fn free(&self) -> usize {
        self.entries.lock().iter().filter(|entry| !entry.is_taken).count()
    }

    /// Takes contiguous entries. Returns the first, or `None` when there are not enough contiguous free entries.
    pub(super) fn take(&self, count: usize) -> Option<usize> {
        let mut entries = self.entries.lock();
        let first = entries.windows(count).position(|run| run.iter().all(|entry| !entry.is_taken))?;
        for entry in &mut entries[first..first + count] {
            *entry = Entry { is_taken: true, is_held: true, is_polled: false, owner: entry.owner + 1 };
        }
        Some(first)
    }

    /// Frees masked entries.
    pub(super) fn give_back(&self, entries: Range<usize>) {
        for entry in &mut self.entries.lock()[entries] {
            *entry = Entry { owner: entry.owner + 1, ..Entry::default() };
        }
    }

    /// Writes the message of a masked entry.
    pub(super) fn program(&self, entry: usize, target: MessageTarget) {
        self.write(entry, ADDRESS, (target.address & 0xffff_ffff) as u32);
        self.write(entry, UPPER_ADDRESS, (target.address >> 32) as u32);
        self.write(entry, DATA, target.data);
    }

    /// Masks entries for their registration. Afterwards all messages that were sent before have arrived.
    pub(super) fn mask(&self, entries: Range<usize>) {
        for entry in entries {
            self.change(entry, |state| state.is_held = true);
        }
        self.flush();
    }

    /// Unmasks an entry for its registration. A pending message is sent.
    pub(super) fn unmask(&self, entry: usize) {
        self.change(entry, |state| state.is_held = false);
    }

    /// Masks or unmasks an entry for a driver that polls, if the entry still belongs to that owner.
    pub(super) fn set_polled(&self, entry: usize, owner: u64, polled: bool) {
        self.change(entry, |state| {
            if state.owner == owner {
                state.is_polled = polled;
            }
        });
    }

    /// Returns the number of the entry's owner, which differs from that of every earlier owner.
    pub(super) fn owner(&self, entry: usize) -> u64 {
        self.entries.lock()[entry].owner
    }

    /// Changes the state of an entry and writes its mask bit, atomically: a handler may change the same entry.
    fn change(&self, entry: usize, change: impl FnOnce(&mut Entry)) {
        let mut entries = self.entries.lock();
        change(&mut entries[entry]);
        let Entry { is_taken, is_held, is_polled, .. } = entries[entry];
        let masked = planted!(is_held || is_polled || !is_taken, "polling-unmasks-for-all" => is_polled);
        planted!("mask-bit-after-lock" => drop(entries));
        self.write(entry, VECTOR_CONTROL, if masked { MASKED } else { 0 });
    }

    /// Returns whether the message of the entry is pending.
    pub(super) fn is_pending(&self, entry: usize) -> bool {
        let word: Option<u32> = self.pending.read(entry as u64 / 32 * 4);
        word.is_some_and(|word| word & 1 << (entry % 32) != 0)
    }

    fn write(&self, entry: usize, register: u64, value: u32) {
        // `open` mapped the whole table, and entries are below its length.
        let written = self.table.write(entry as u64 * MsixCapability::ENTRY + register, value);
        debug_assert!(written.is_some(), "entry {entry} is outside the MSI-X table");
    }

    /// Reads the table, which flushes posted writes to it, and the messages that the device sent before the completion.
    fn flush(&self) {
        let _: Option<u32> = planted!(self.table.read(VECTOR_CONTROL), "no-read-back" => None);
    }

    /// Returns whether the first entry reads all ones, including the reserved bits: there is no table then.
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

/// Maps the part of a BAR that the capability refers to.
fn map(claimed: &Claimed, place: BarOffset, length: u64) -> Result<RegisterWindow, GrantError> {
    let physical = locate(claimed, place.bar, place.offset.into(), length)?;
    Ok(RegisterWindow::map(claimed.machine().memory, physical, length).map_err(MapError::from)?)
}
