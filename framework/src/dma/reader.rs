//! A second, read-only handle on DMA-coherent memory.

use core::fmt;

use zerocopy::FromBytes;

use super::shared::DmaShared;

/// A read-only handle on the array of a [`DmaShared`], made by [`DmaShared::reader`]. It keeps the memory allocated.
///
/// With it, the context of an interrupt handler looks at a ring that the driver owns, to show the device's
/// [activity](crate::interrupt::LineIsr::activity). Driver and device may write at the same time: a value read is one that was
/// written, and older or newer than others.
///
/// ```
/// # use switchboard::dma::DmaShared;
/// # use switchboard_testing::{FakeFunction, FakeMachine};
/// # let fake = FakeMachine::new([FakeFunction::new(0x1234, 0x11e8)]);
/// # let dma = fake.machine().take_all().remove(0).claim()?.dma;
/// let mut indices: DmaShared<u16> = dma.region(4096)?.carve(2, 2).expect("4 bytes");
/// let reader = indices.reader();
/// indices.write(1, 7);
/// assert_eq!(reader.read(1), 7);
/// # Ok::<(), switchboard::driver::ProbeError>(())
/// ```
pub struct DmaReader<T> {
    shared: DmaShared<T>,
}

impl<T: Copy> DmaReader<T> {
    /// `shared` is a copy that is not written.
    pub(super) fn new(shared: DmaShared<T>) -> Self {
        Self { shared }
    }

    /// Returns the number of values in the array.
    #[must_use]
    pub fn count(&self) -> usize {
        self.shared.count()
    }

    /// As [`DmaShared::read`].
    ///
    /// # Panics
    /// When `index` is not below [`count`](Self::count).
    #[must_use]
    pub fn read(&self, index: usize) -> T
    where
        T: FromBytes,
    {
        self.shared.read(index)
    }

    /// As [`DmaShared::read_as`].
    ///
    /// # Panics
    /// When `index` is not below [`count`](Self::count).
    #[must_use]
    pub fn read_as<R: FromBytes + Copy>(&self, index: usize) -> R {
        self.shared.read_as(index)
    }
}

impl<T> fmt::Debug for DmaReader<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DmaReader").field(&self.shared).finish()
    }
}
