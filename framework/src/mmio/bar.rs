//! BARs of a claimed function: each is moved out once and mapped once, and never over the MSI-X table.

use alloc::sync::Arc;
use core::fmt;
use core::marker::PhantomData;

use super::error::MapError;
use super::register::{Readable, Reg, RegisterBlock, RegisterValue, Writable};
use super::window::RegisterWindow;
use crate::bar::{BarFacts, BarKind};
use crate::ownership::{Claimed, Gone};

/// A BAR that is not mapped yet; a field of [`Resources`](crate::function::Resources).
///
/// ```
/// use switchboard::mmio::{Bar, MapError, RegisterBlock};
/// # use switchboard_testing::{FakeFunction, FakeMachine};
///
/// struct Edu;
/// impl RegisterBlock for Edu {
///     const SIZE: u64 = 0x100;
/// }
///
/// # let fake = FakeMachine::new([FakeFunction::new(0x1234, 0x11e8).bar(0, 0x1000)]);
/// # let resources = fake.machine().take_all().remove(0).claim()?;
/// assert_eq!(resources.bar0.facts().map(|facts| facts.size), Some(0x1000));
/// let registers: Bar<Edu> = resources.bar0.map()?;
/// assert_eq!(registers.length(), 0x100);
///
/// // The function has no BAR 1. The error returns the BAR, unchanged.
/// let (error, _bar) = resources.bar1.map::<Edu>().unwrap_err();
/// assert_eq!(error, MapError::Missing { index: 1 });
/// # Ok::<(), switchboard::driver::ProbeError>(())
/// ```
pub struct UnmappedBar {
    claimed: Arc<Claimed>,
    index: u8,
}

impl UnmappedBar {
    pub(crate) fn new(claimed: Arc<Claimed>, index: u8) -> Self {
        Self { claimed, index }
    }

    /// Returns the kind, size and address of the BAR, or `None` when the function does not implement it.
    #[must_use]
    pub fn facts(&self) -> Option<BarFacts> {
        self.claimed.record().bar(self.index)
    }

    /// Maps the block `B` at the start of the BAR.
    ///
    /// # Errors
    /// [`MapError`] and the BAR, unchanged.
    pub fn map<B: RegisterBlock>(self) -> Result<Bar<B>, (MapError, Self)> {
        match map_block(&self.claimed, self.index, 0, B::SIZE) {
            Ok(bar) => Ok(bar),
            Err(error) => Err((error, self)),
        }
    }

    /// Prepares the BAR for several windows, for devices that report their layout at run time (as virtio's capabilities do).
    ///
    /// # Errors
    /// [`MapError`] and the BAR, unchanged, when the BAR is not implemented, decodes I/O ports or has no address.
    pub fn windows(self) -> Result<BarWindows, (MapError, Self)> {
        match check(&self.claimed, self.index) {
            Ok(_) => Ok(BarWindows { bar: self }),
            Err(error) => Err((error, self)),
        }
    }
}

impl fmt::Debug for UnmappedBar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("UnmappedBar").field(&self.index).finish()
    }
}

/// A memory BAR from which any number of windows can be mapped, each as a [`Bar`].
///
/// ```
/// use switchboard::mmio::{Bar, RegisterBlock};
/// # use switchboard_testing::{FakeFunction, FakeMachine};
///
/// /// The doorbells of a device that reports how many it has.
/// struct Doorbells;
/// impl RegisterBlock for Doorbells {
///     const SIZE: u64 = 4;
/// }
///
/// # let fake = FakeMachine::new([FakeFunction::new(0x1af4, 0x1041).bar(4, 0x4000)]);
/// # let function = fake.machine().take_all().remove(0);
/// # let address = function.address();
/// # let resources = function.claim()?;
/// let windows = resources.bar4.windows()?;
/// let (offset, count) = (0x3000, 8);
/// let doorbells: Bar<Doorbells> = windows.map(offset, 4 * count)?;
/// assert_eq!(doorbells.try_write(4 * 5, 1_u32), Some(()));
/// assert_eq!(doorbells.try_write(4 * 8, 1_u32), None, "out of bounds");
/// # assert_eq!(fake.read_register(address, 4, 0x3014), 1);
/// # Ok::<(), switchboard::driver::ProbeError>(())
/// ```
#[derive(Debug)]
pub struct BarWindows {
    bar: UnmappedBar,
}

impl BarWindows {
    /// Maps `length` bytes at `offset` as the block `B`. `length` is at least `B::SIZE`; the bytes beyond it are reached with
    /// [`Bar::try_read`] and [`Bar::try_write`].
    ///
    /// # Errors
    /// [`MapError`] when the window is shorter than the block, is misaligned, reaches past the BAR, or overlaps the MSI-X table.
    pub fn map<B: RegisterBlock>(&self, offset: u64, length: u64) -> Result<Bar<B>, MapError> {
        if length < B::SIZE {
            return Err(MapError::TooSmall { index: self.bar.index, wanted: B::SIZE, size: length });
        }
        map_block(&self.bar.claimed, self.bar.index, offset, length)
    }
}

/// Returns the facts of a memory BAR and its address.
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

/// Returns the address of a part of a BAR, after the checks that drivers' windows and the MSI-X table have in common.
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

/// Mapped registers of block `B`. The function stays claimed while this lives.
///
/// ```
/// use switchboard::mmio::{Bar, ReadOnly, Reg, RegisterBlock, WriteOnly};
/// # use switchboard_testing::{FakeFunction, FakeMachine};
///
/// struct Edu;
/// impl RegisterBlock for Edu {
///     const SIZE: u64 = 0x100;
/// }
/// const INTERRUPT_STATUS: Reg<Edu, u32, ReadOnly> = Reg::at(0x24);
/// const INTERRUPT_ACKNOWLEDGE: Reg<Edu, u32, WriteOnly> = Reg::at(0x64);
///
/// # let fake = FakeMachine::new([FakeFunction::new(0x1234, 0x11e8).bar(0, 0x1000)]);
/// # let function = fake.machine().take_all().remove(0);
/// # let address = function.address();
/// # fake.write_register(address, 0, 0x24, 0x100);
/// # let resources = function.claim()?;
/// let registers: Bar<Edu> = resources.bar0.map()?;
/// let status = registers.read(&INTERRUPT_STATUS);
/// registers.write(&INTERRUPT_ACKNOWLEDGE, status);
/// # assert_eq!((status, fake.read_register(address, 0, 0x64)), (0x100, 0x100));
///
/// // A function that was removed reads all ones.
/// # fake.remove(address);
/// assert_eq!(registers.read(&INTERRUPT_STATUS), u32::MAX);
/// # Ok::<(), switchboard::driver::ProbeError>(())
/// ```
pub struct Bar<B> {
    window: RegisterWindow,
    _claimed: Arc<Claimed>,
    _block: PhantomData<fn() -> B>,
}

impl<B: RegisterBlock> Bar<B> {
    /// Reads a register. Returns all ones when the function is gone.
    #[inline]
    pub fn read<T: RegisterValue, A: Readable>(&self, register: &Reg<B, T, A>) -> T {
        self.window.read(register.offset()).unwrap_or_else(|| unreachable!("`Reg::at` and mapping checked the place"))
    }

    /// Writes a register. Has no effect when the function is gone.
    #[inline]
    pub fn write<T: RegisterValue, A: Writable>(&self, register: &Reg<B, T, A>, value: T) {
        let written = self.window.write(register.offset(), value);
        debug_assert!(written.is_some(), "`Reg::at` and mapping checked the place");
    }

    /// Returns the number of bytes that are mapped.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.window.length()
    }

    /// Reads at an offset that is known only at run time. Returns `None` when it is out of bounds or not aligned to the width.
    #[inline]
    #[must_use]
    pub fn try_read<T: RegisterValue>(&self, offset: u64) -> Option<T> {
        self.window.read(offset)
    }

    /// Writes at an offset that is known only at run time. Returns `None` when it is out of bounds or not aligned to the width.
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
