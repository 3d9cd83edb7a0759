//! Mapped ranges of device memory: the only module that accesses registers.

#![expect(unsafe_code, reason = "device memory is reached by volatile accesses")]

use core::fmt;
use core::ptr::NonNull;

use super::register::RegisterValue;
use crate::platform::{Mapping, Memory, MemoryError, RegisterAccess};
use crate::sync::primitives::{Ordering, fence};

/// A mapped range of device memory, accessed by whole aligned values.
///
/// # Invariants
/// A direct mapping is valid for volatile accesses of `length` bytes for the rest of the program ([`Memory::map`]), and aligned
/// to 8 bytes unless the range itself is not.
pub(crate) struct RegisterWindow {
    mapping: Mapping,
    length: u64,
}

// SAFETY: device memory belongs to no CPU; each access is one volatile load or store, or a call that is `Sync`.
unsafe impl Send for RegisterWindow {}
// SAFETY: as above.
unsafe impl Sync for RegisterWindow {}

impl RegisterWindow {
    pub(crate) fn map(memory: &dyn Memory, physical: u64, length: u64) -> Result<Self, MemoryError> {
        Ok(Self { mapping: memory.map(physical, length)?, length })
    }

    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// Reads the value at `offset`. Returns `None` when it is out of bounds or not aligned to its width.
    #[inline]
    pub(crate) fn read<T: RegisterValue>(&self, offset: u64) -> Option<T> {
        self.check::<T>(offset)?;
        let value = match self.mapping {
            Mapping::Direct(start) => {
                let register = locate::<T>(start, offset)?;
                // SAFETY: `check` and `locate` give an aligned place inside the window, and any bits are a `T`.
                unsafe { register.read_volatile() }
            }
            Mapping::Emulated(registers) => read_emulated(registers, offset)?,
        };
        // A register that reads "done" announces memory that the device wrote before. That memory is read after this fence.
        fence(Ordering::Acquire);
        Some(value)
    }

    /// Writes the value at `offset`. Returns `None` when it is out of bounds or not aligned to its width.
    #[inline]
    pub(crate) fn write<T: RegisterValue>(&self, offset: u64, value: T) -> Option<()> {
        self.check::<T>(offset)?;
        // A doorbell register makes the device read memory. That memory was written before this fence.
        fence(Ordering::Release);
        match self.mapping {
            Mapping::Direct(start) => {
                let register = locate::<T>(start, offset)?;
                // SAFETY: `check` and `locate` give an aligned place inside the window. What the device does on a write is up to
                // its driver; the MSI-X table, whose entries are addresses that the device writes to, is in no driver's window.
                unsafe { register.write_volatile(value) };
            }
            Mapping::Emulated(registers) => write_emulated(registers, offset, value)?,
        }
        Some(())
    }

    #[inline]
    fn check<T>(&self, offset: u64) -> Option<()> {
        (offset.checked_add(size_of::<T>() as u64)? <= self.length).then_some(())
    }
}

/// Returns a pointer to the value, or `None` when it is not aligned to its width. The caller has checked its bounds.
#[inline]
fn locate<T>(start: NonNull<u8>, offset: u64) -> Option<NonNull<T>> {
    // SAFETY: the value is within the mapping (checked by the caller).
    let register = unsafe { start.add(usize::try_from(offset).ok()?) }.cast::<T>();
    register.is_aligned().then_some(register)
}

#[cold]
fn read_emulated<T: RegisterValue>(registers: &dyn RegisterAccess, offset: u64) -> Option<T> {
    let bytes = size_of::<T>();
    offset.is_multiple_of(bytes as u64).then(|| T::from_bits(registers.read(offset, bytes.to_le_bytes()[0])))
}

#[cold]
fn write_emulated<T: RegisterValue>(registers: &dyn RegisterAccess, offset: u64, value: T) -> Option<()> {
    let bytes = size_of::<T>();
    offset.is_multiple_of(bytes as u64).then(|| registers.write(offset, bytes.to_le_bytes()[0], value.to_bits()))
}

impl fmt::Debug for RegisterWindow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RegisterWindow").field("length", &self.length).finish_non_exhaustive()
    }
}
