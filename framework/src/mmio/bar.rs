//! BARs as a driver gets them: moved out once, mapped once, never over the MSI-X table.

use alloc::sync::Arc;
use core::fmt;
use core::marker::PhantomData;

use super::register::{Readable, Reg, RegisterBlock, RegisterValue, Writable};
use super::window::RegisterWindow;
use crate::assign::Unassigned;
use crate::bar::{BarFacts, BarKind};
use crate::ownership::{Claimed, Gone};
use crate::platform::MemoryError;

/// A BAR that is not mapped yet. Each comes out of [`Resources`](crate::function::Resources) once.
pub struct UnmappedBar {
    claimed: Arc<Claimed>,
    index: u8,
}

impl UnmappedBar {
    pub(crate) fn new(claimed: Arc<Claimed>, index: u8) -> Self {
        Self { claimed, index }
    }

    /// What the BAR decodes, or `None` when the function has no such BAR.
    #[must_use]
    pub fn facts(&self) -> Option<BarFacts> {
        self.claimed.record().bar(self.index)
    }

    /// Maps the block `B` at the start of the BAR.
    ///
    /// # Errors
    /// [`MapError`] and the slot, unchanged.
    pub fn map<B: RegisterBlock>(self) -> Result<Bar<B>, (MapError, Self)> {
        match map_block(&self.claimed, self.index, 0, B::SIZE) {
            Ok(bar) => Ok(bar),
            Err(error) => Err((error, self)),
        }
    }

    /// Opens the BAR for several windows, for devices that say at run time what is where.
    ///
    /// # Errors
    /// [`MapError`] and the slot, when the BAR is not memory or is not there.
    pub fn windows(self) -> Result<BarWindows, (MapError, Self)> {
        match check(&self.claimed, self.index) {
            Ok(_) => Ok(BarWindows { slot: self }),
            Err(error) => Err((error, self)),
        }
    }
}

impl fmt::Debug for UnmappedBar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("UnmappedBar").field(&self.index).finish()
    }
}

/// A BAR from which any number of windows are mapped.
#[derive(Debug)]
pub struct BarWindows {
    slot: UnmappedBar,
}

impl BarWindows {
    /// Maps the block `B` at `offset`, `length` bytes of it; `length` may exceed `B::SIZE` and must not be less.
    ///
    /// # Errors
    /// [`MapError`] when the window is too short, reaches past the BAR, or meets the MSI-X table.
    pub fn map<B: RegisterBlock>(&self, offset: u64, length: u64) -> Result<Bar<B>, MapError> {
        if length < B::SIZE {
            return Err(MapError::TooSmall { index: self.slot.index, wanted: B::SIZE, size: length });
        }
        map_block(&self.slot.claimed, self.slot.index, offset, length)
    }
}

/// What the BAR decodes, and where.
fn check(claimed: &Claimed, index: u8) -> Result<(BarFacts, u64), MapError> {
    if claimed.is_gone() {
        return Err(Gone { address: claimed.record().address() }.into());
    }
    let bar = claimed.record().bar(index).ok_or(MapError::Missing { index })?;
    if bar.kind == BarKind::Io {
        return Err(MapError::Io { index });
    }
    let address = bar.address.map_err(|reason| MapError::Unassigned { index, reason })?;
    Ok((bar, address))
}

/// Returns where a part of a BAR is, after all checks that have to do with the BAR: of drivers' windows and of the MSI-X
/// table.
pub(crate) fn locate(claimed: &Claimed, index: u8, offset: u64, length: u64) -> Result<u64, MapError> {
    let (bar, address) = check(claimed, index)?;
    let end = offset.saturating_add(length);
    let too_small = MapError::TooSmall { index, wanted: end, size: bar.size };
    if end > bar.size {
        return Err(too_small);
    }
    address.checked_add(offset).ok_or(too_small)
}

fn map_block<B: RegisterBlock>(
    claimed: &Arc<Claimed>,
    index: u8,
    offset: u64,
    length: u64,
) -> Result<Bar<B>, MapError> {
    let physical = locate(claimed, index, offset, length)?;
    let end = offset + length;
    for range in claimed.record().msix_ranges().into_iter().flatten() {
        if range.bar == index && offset < range.end && range.start < end {
            return Err(MapError::MsixTable { index, start: range.start, end: range.end });
        }
    }
    if !physical.is_multiple_of(B::ALIGN) {
        return Err(MapError::Misaligned { index, offset, align: B::ALIGN });
    }
    let window = RegisterWindow::map(claimed.machine().memory, physical, length)?;
    Ok(Bar { window, _claimed: claimed.clone(), _block: PhantomData })
}

/// Mapped registers of block `B`. Its function stays claimed while this lives.
pub struct Bar<B> {
    window: RegisterWindow,
    _claimed: Arc<Claimed>,
    _block: PhantomData<fn() -> B>,
}

impl<B: RegisterBlock> Bar<B> {
    /// Reads a register. All ones when the function is gone.
    #[inline]
    pub fn read<T: RegisterValue, A: Readable>(&self, register: &Reg<B, T, A>) -> T {
        self.window.read(register.offset()).unwrap_or_else(|| unreachable!("`Reg::at` and mapping checked the place"))
    }

    /// Writes a register.
    #[inline]
    pub fn write<T: RegisterValue, A: Writable>(&self, register: &Reg<B, T, A>, value: T) {
        let written = self.window.write(register.offset(), value);
        debug_assert!(written.is_some(), "`Reg::at` and mapping checked the place");
    }

    /// Bytes mapped.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.window.length()
    }

    /// Reads at an offset known only at run time; `None` outside the window or askew.
    #[inline]
    #[must_use]
    pub fn try_read<T: RegisterValue>(&self, offset: u64) -> Option<T> {
        self.window.read(offset)
    }

    /// Writes at an offset known only at run time; `None` outside the window or askew.
    #[inline]
    #[must_use]
    pub fn try_write<T: RegisterValue>(&self, offset: u64, value: T) -> Option<()> {
        self.window.write(offset, value)
    }
}

impl<B> fmt::Debug for Bar<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bar").field("window", &self.window).finish_non_exhaustive()
    }
}

/// Why a BAR was not mapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MapError {
    /// The function has no such BAR.
    #[error("BAR {index} is missing")]
    Missing {
        /// Its index.
        index: u8,
    },
    /// It decodes ports.
    #[error("BAR {index} decodes ports, memory is wanted")]
    Io {
        /// Its index.
        index: u8,
    },
    /// It has no address.
    #[error("BAR {index} is nowhere: {reason}")]
    Unassigned {
        /// Its index.
        index: u8,
        /// Why.
        reason: Unassigned,
    },
    /// It ends before the window does.
    #[error("BAR {index} is too small: {wanted} bytes wanted, {size} there")]
    TooSmall {
        /// Its index.
        index: u8,
        /// Bytes that the window needs.
        wanted: u64,
        /// Bytes that there are.
        size: u64,
    },
    /// The window does not begin where its registers could be reached.
    #[error("a window at {offset:#x} of BAR {index} is not aligned to {align} bytes")]
    Misaligned {
        /// Its index.
        index: u8,
        /// Where the window would begin.
        offset: u64,
        /// The alignment that its registers need.
        align: u64,
    },
    /// The window meets the MSI-X table or pending bits, which only the framework may touch: an entry is an
    /// address that the device will write.
    #[error("BAR {index} holds the MSI-X table or pending bits at {start:#x}..{end:#x}, inside the wanted window")]
    MsixTable {
        /// Its index.
        index: u8,
        /// Where they begin.
        start: u64,
        /// Where they end.
        end: u64,
    },
    /// The machine could not map it.
    #[error(transparent)]
    Memory(#[from] MemoryError),
    /// The function is known to be gone.
    #[error(transparent)]
    Gone(#[from] Gone),
}
