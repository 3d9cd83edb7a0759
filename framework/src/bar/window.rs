//! A mapped range of device memory: the one place where registers are touched.

#![expect(unsafe_code, reason = "device memory is reached by volatile accesses")]

use core::fmt;
use core::ptr::NonNull;
use core::sync::atomic::{Ordering, fence};

use super::RegisterValue;
use crate::machine::{Memory, MemoryError};

/// Device memory that is mapped, and may be read and written by whole aligned values.
///
/// # Invariants
/// `pointer` is valid for volatile accesses of `length` bytes, for good ([`Memory::map`]), and aligned to 8
/// unless the range itself is not.
pub(crate) struct Window {
    pointer: NonNull<u8>,
    length: u64,
}

// SAFETY: device memory belongs to no CPU; each access is one volatile load or store.
unsafe impl Send for Window {}
// SAFETY: as above.
unsafe impl Sync for Window {}

impl Window {
    pub(crate) fn map(memory: &dyn Memory, physical: u64, length: u64) -> Result<Self, MemoryError> {
        Ok(Self { pointer: memory.map(physical, length)?, length })
    }

    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// Reads the value at `offset`, or `None` when it would lie outside or askew.
    #[inline]
    pub(crate) fn read<T: RegisterValue>(&self, offset: u64) -> Option<T> {
        let register = self.locate::<T>(offset)?;
        #[cfg(feature = "fake")]
        let _ = crate::fake::touch(register.cast());
        // SAFETY: `locate` gives an aligned place inside the window, and any bits are a `T`.
        let value = unsafe { register.read_volatile() };
        // A register that says "done" stands for memory that the device wrote before: look there only now.
        fence(Ordering::Acquire);
        Some(value)
    }

    /// Writes the value at `offset`, or `None` when it would lie outside or askew.
    #[inline]
    pub(crate) fn write<T: RegisterValue>(&self, offset: u64, value: T) -> Option<()> {
        let register = self.locate::<T>(offset)?;
        #[cfg(feature = "fake")]
        if !crate::fake::touch(register.cast()) {
            return Some(());
        }
        // A register that says "go" stands for memory that the device will read: have that written by now.
        fence(Ordering::Release);
        // SAFETY: `locate` gives an aligned place inside the window. What the device does on a write is its
        // driver's business; the tables by which a device could be aimed at memory are kept out of windows.
        unsafe { register.write_volatile(value) };
        Some(())
    }

    #[inline]
    fn locate<T: RegisterValue>(&self, offset: u64) -> Option<NonNull<T>> {
        let size = size_of::<T>() as u64;
        if offset.checked_add(size)? > self.length {
            return None;
        }
        // SAFETY: the value lies within the window.
        let register = unsafe { self.pointer.add(usize::try_from(offset).ok()?) }.cast::<T>();
        register.is_aligned().then_some(register)
    }
}

impl fmt::Debug for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Window").field("length", &self.length).finish_non_exhaustive()
    }
}
