//! Memory that driver and device touch at the same time: descriptor tables and ring indices.

#![expect(unsafe_code, reason = "memory that a device writes is read and written by volatile accesses")]

use alloc::sync::Arc;
use core::fmt;
use core::marker::PhantomData;
use core::ptr::NonNull;

use zerocopy::{FromBytes, IntoBytes};

use super::address::BusAddress;
use super::pages::Pages;
use super::span::Span;
use crate::sync::primitives::{Ordering, fence};

/// A stretch of DMA memory from which arrays are carved, front to back.
#[derive(Debug)]
pub struct DmaRegion {
    pages: Arc<Pages>,
    next: usize,
    length: usize,
}

impl DmaRegion {
    pub(super) fn new(pages: Arc<Pages>, length: usize) -> Self {
        Self { pages, next: 0, length }
    }

    /// The next `count` values, beginning at a multiple of `align` bytes (and of what `T` needs); `None` when the
    /// region is used up.
    pub fn carve<T: Copy>(&mut self, count: usize, align: usize) -> Option<DmaShared<T>> {
        let start = self.next.checked_next_multiple_of(align.max(align_of::<T>()))?;
        let end = start.checked_add(count.checked_mul(size_of::<T>())?)?;
        if end > self.length {
            return None;
        }
        self.next = end;
        let span = Span::new(self.pages.clone(), start, end - start);
        Some(DmaShared { span, count, _marker: PhantomData })
    }
}

/// An array of plain values that driver and device share. Every access is volatile, and ordered with the memory
/// it is about: what was written before a [`write`](Self::write) is in memory when the device can see the value,
/// and what the device wrote before a value is there once [`read`](Self::read) has returned it.
///
/// What is written is [`IntoBytes`], what is read is [`FromBytes`]. A descriptor that holds a [`BusAddress`] is only the
/// first, so an address never comes out of memory that a device can write; what the device reports in its place is read
/// [as another type](Self::read_as).
///
/// ```
/// use switchboard::dma::{BusAddress, DmaShared};
/// use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};
///
/// #[derive(Clone, Copy, IntoBytes, Immutable, KnownLayout)]
/// #[repr(C)]
/// struct Descriptor {
///     address: BusAddress,
///     length: u32,
///     status: u32,
/// }
///
/// /// The same 16 bytes, as the device has written them.
/// #[derive(Clone, Copy, FromBytes, KnownLayout)]
/// #[repr(C)]
/// struct Report {
///     _address: u64,
///     length: u32,
///     status: u32,
/// }
///
/// fn bytes_received(ring: &DmaShared<Descriptor>, index: usize) -> Option<u32> {
///     let Report { length, status, .. } = ring.read_as(index);
///     (status & 1 != 0).then_some(length)
/// }
/// ```
///
/// # Invariants
/// The span is aligned and has room for `count` values, and no other `DmaShared` overlaps it.
pub struct DmaShared<T> {
    span: Span,
    count: usize,
    _marker: PhantomData<fn() -> T>,
}

impl<T: Copy> DmaShared<T> {
    /// Values in the array.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }

    /// Where the device finds the array.
    #[must_use]
    pub fn bus(&self) -> BusAddress {
        self.span.bus()
    }

    /// Returns where the device finds the value at `index`.
    ///
    /// # Panics
    /// As [`read`](Self::read).
    #[inline]
    #[must_use]
    pub fn bus_of(&self, index: usize) -> BusAddress {
        assert!(index < self.count, "index {index} of {} shared values", self.count);
        self.span.bus().plus(index * size_of::<T>())
    }

    /// Reads the value at `index`.
    ///
    /// # Panics
    /// When `index` is not below [`count`](Self::count): callers wrap their own indices, never a device's.
    #[inline]
    #[must_use]
    pub fn read(&self, index: usize) -> T
    where
        T: FromBytes,
    {
        self.read_as(index)
    }

    /// Reads the value at `index` as a type of the same size, for what a device writes where the driver wrote a `T`.
    /// A type of another size, or one that is aligned more strictly, does not compile.
    ///
    /// # Panics
    /// As [`read`](Self::read).
    #[inline]
    #[must_use]
    pub fn read_as<R: FromBytes + Copy>(&self, index: usize) -> R {
        const {
            assert!(size_of::<R>() == size_of::<T>(), "what is read has the size of what was written");
            assert!(
                align_of::<R>() <= align_of::<T>(),
                "what is read is aligned no more strictly than what was written"
            );
        };
        // SAFETY: `locate` gives a place in the array that is aligned for a `T` and so for an `R`, which has the same
        // size, and any bits are an `R` (`FromBytes`).
        let value = unsafe { self.locate(index).cast::<R>().read_volatile() };
        fence(Ordering::Acquire);
        value
    }

    /// Writes the value at `index`.
    ///
    /// # Panics
    /// As [`read`](Self::read).
    #[inline]
    pub fn write(&mut self, index: usize, value: T)
    where
        T: IntoBytes,
    {
        fence(Ordering::Release);
        // SAFETY: `locate` gives an aligned place in the array; `&mut self` keeps other CPUs off, and no reference
        // to the memory exists anywhere.
        unsafe { self.locate(index).write_volatile(value) };
    }

    #[inline]
    fn locate(&self, index: usize) -> NonNull<T> {
        assert!(index < self.count, "index {index} of {} shared values", self.count);
        // SAFETY: the span has room for `count` values (invariant).
        unsafe { self.span.pointer().cast::<T>().add(index) }
    }
}

impl<T> fmt::Debug for DmaShared<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DmaShared").field("bus", &self.span.bus()).field("count", &self.count).finish_non_exhaustive()
    }
}
