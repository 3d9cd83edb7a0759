//! DMA-coherent memory, which driver and device access at the same time: descriptor rings and their indices.

#![expect(unsafe_code, reason = "memory that a device writes is read and written by volatile accesses")]

use alloc::sync::Arc;
use core::fmt;
use core::marker::PhantomData;
use core::ptr::NonNull;

use zerocopy::{FromBytes, IntoBytes};

use super::address::BusAddress;
use super::pages::Pages;
use super::reader::DmaReader;
use super::span::Span;
use crate::sync::primitives::{Ordering, fence};

/// A region of DMA memory from which arrays are carved, front to back.
///
/// ```
/// # use switchboard::dma::DmaShared;
/// # use switchboard_testing::{FakeFunction, FakeMachine};
/// # let fake = FakeMachine::new([FakeFunction::new(0x1234, 0x11e8)]);
/// # let dma = fake.machine().take_all().remove(0).claim()?.dma;
/// let mut region = dma.region(4096)?;
/// // A table of 64 descriptors of two words, and after it an index that the device requires to be aligned to 128 bytes.
/// let table: DmaShared<[u64; 2]> = region.carve(64, 16).expect("1024 bytes");
/// let index: DmaShared<u16> = region.carve(1, 128).expect("2 bytes");
/// assert_eq!(index.bus().get() - table.bus().get(), 1024);
/// assert!(region.carve::<u64>(512, 8).is_none(), "the region is used up");
/// # Ok::<(), switchboard::driver::ProbeError>(())
/// ```
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

    /// Takes the next `count` values, aligned to `align` bytes (and to the alignment of `T`). Returns `None` when the rest of
    /// the region is too small.
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

/// An array of plain values that driver and device access at the same time.
///
/// Every access is volatile, and ordered with the memory that the value announces: everything that was written before a
/// [`write`](Self::write) is visible to the device when it sees the value (release), and everything that the device wrote
/// before a value is visible to the driver once [`read`](Self::read) has returned the value (acquire).
///
/// Writing needs [`IntoBytes`], reading needs [`FromBytes`]. A descriptor that holds a [`BusAddress`] is only `IntoBytes`, so
/// that no address is ever read from memory that a device can write. The driver reads what the device wrote into the
/// descriptor [as another type](Self::read_as).
///
/// ```
/// use switchboard::dma::{BusAddress, DmaShared};
/// use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};
/// # use switchboard_testing::{FakeFunction, FakeMachine};
///
/// #[derive(Clone, Copy, IntoBytes, Immutable, KnownLayout)]
/// #[repr(C)]
/// struct Descriptor {
///     address: BusAddress,
///     length: u32,
///     status: u32,
/// }
///
/// /// The same 16 bytes, as the device writes them back.
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
/// # let fake = FakeMachine::new([FakeFunction::new(0x1234, 0x11e8)]);
/// # let dma = fake.machine().take_all().remove(0).claim()?.dma;
///
/// let mut ring: DmaShared<Descriptor> = dma.region(4096)?.carve(256, 16).expect("4096 bytes");
/// let buffer = dma.buffer(2048)?;
/// ring.write(7, Descriptor { address: buffer.bus(), length: 2048, status: 0 });
/// assert_eq!(bytes_received(&ring, 7), None);
///
/// // The device receives 60 bytes.
/// fake.dma_write(ring.bus_of(7).get() + 8, &[60, 0, 0, 0, 1, 0, 0, 0]).expect("memory in use");
/// assert_eq!(bytes_received(&ring, 7), Some(60));
/// # Ok::<(), switchboard::driver::ProbeError>(())
/// ```
///
/// # Invariants
/// The span is aligned and has room for `count` values, and no other `DmaShared` overlaps it, except that of a [`DmaReader`].
pub struct DmaShared<T> {
    span: Span,
    count: usize,
    _marker: PhantomData<fn() -> T>,
}

impl<T: Copy> DmaShared<T> {
    /// Returns the number of values in the array.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }

    /// Returns a read-only handle on the same array.
    #[must_use]
    pub fn reader(&self) -> DmaReader<T> {
        DmaReader::new(Self { span: self.span.share(), count: self.count, _marker: PhantomData })
    }

    /// Returns the bus address of the array.
    #[must_use]
    pub fn bus(&self) -> BusAddress {
        self.span.bus()
    }

    /// Returns the bus address of the value at `index`.
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
    /// When `index` is not below [`count`](Self::count). Drivers pass indices of their own, never one that a device wrote.
    #[inline]
    #[must_use]
    pub fn read(&self, index: usize) -> T
    where
        T: FromBytes,
    {
        self.read_as(index)
    }

    /// Reads the value at `index` as a type of the same size: the form in which the device writes a `T` back. A type of
    /// another size, or with a stricter alignment, does not compile.
    ///
    /// # Panics
    /// As [`read`](Self::read).
    #[inline]
    #[must_use]
    pub fn read_as<R: FromBytes + Copy>(&self, index: usize) -> R {
        const {
            assert!(size_of::<R>() == size_of::<T>(), "the type read must have the size of the type written");
            assert!(
                align_of::<R>() <= align_of::<T>(),
                "the type read must not be aligned more strictly than the type written"
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
        self.write_as(index, value);
    }

    /// Writes the value at `index` as a type of the same size: another form in which the device reads a `T`. A type of
    /// another size, or with a stricter alignment, does not compile.
    ///
    /// ```
    /// use switchboard::dma::DmaShared;
    /// # use switchboard_testing::{FakeFunction, FakeMachine};
    ///
    /// # let fake = FakeMachine::new([FakeFunction::new(0x1234, 0x11e8)]);
    /// # let dma = fake.machine().take_all().remove(0).claim()?.dma;
    /// let buffer = dma.buffer(64)?;
    /// // Commands have two words each: without data two numbers, with data a number and its address.
    /// let mut commands: DmaShared<[u64; 2]> = dma.region(4096)?.carve(16, 64).expect("256 bytes");
    /// commands.write(0, [1, 0]);
    /// commands.write_as(1, [buffer.bus(); 2]);
    /// # assert_eq!(fake.dma_read(commands.bus_of(1).get(), 8).unwrap(), buffer.bus().get().to_le_bytes());
    /// # Ok::<(), switchboard::driver::ProbeError>(())
    /// ```
    ///
    /// # Panics
    /// As [`read`](Self::read).
    #[inline]
    pub fn write_as<W: IntoBytes + Copy>(&mut self, index: usize, value: W) {
        const {
            assert!(size_of::<W>() == size_of::<T>(), "the type written must have the size of the values");
            assert!(
                align_of::<W>() <= align_of::<T>(),
                "the type written must not be aligned more strictly than the values"
            );
        };
        fence(Ordering::Release);
        // SAFETY: `locate` gives a place in the array that is aligned for a `T` and so for a `W`, which has the same size;
        // `&mut self` keeps other CPUs out, and no reference to the memory exists.
        unsafe { self.locate(index).cast::<W>().write_volatile(value) };
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
