//! The two rings: available, which the driver writes, and used, which the device writes (virtio 1.2, 2.7.6 and 2.7.8).
//!
//! Indices are free-running modulo 65,536, and are reduced to the size of the ring, a power of two, at each access.

use core::sync::atomic::{Ordering, fence};

use switchboard::dma::{BusAddress, DmaReader, DmaRegion, DmaShared};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::planted::planted;

/// In `flags` of either ring: no notifications (`VIRTQ_AVAIL_F_NO_INTERRUPT`, `VIRTQ_USED_F_NO_NOTIFY`). Only without
/// `EVENT_IDX`.
const NO_NOTIFICATION: u16 = 1;

const FLAGS: usize = 0;
pub(super) const INDEX: usize = 1;
/// The offset of the entries, in 16-bit words.
pub(super) const ENTRIES: usize = 2;

/// The available ring: flags, index, an entry for each descriptor, and the used index at which the driver requests an interrupt.
#[derive(Debug)]
pub(super) struct Available {
    words: DmaShared<u16>,
    size: u16,
    index: u16,
}

impl Available {
    pub(super) fn bytes(size: u16) -> usize {
        2 * (3 + usize::from(size))
    }

    pub(super) fn carve(region: &mut DmaRegion, size: u16) -> Option<Self> {
        Some(Self { words: region.carve(3 + usize::from(size), 2)?, size, index: 0 })
    }

    pub(super) fn bus(&self) -> BusAddress {
        self.words.bus()
    }

    /// Returns the number of descriptors.
    pub(super) fn size(&self) -> u16 {
        self.size
    }

    pub(super) fn reader(&self) -> DmaReader<u16> {
        self.words.reader()
    }

    /// Returns the number of chains offered so far, modulo 65,536.
    #[inline]
    pub(super) fn index(&self) -> u16 {
        self.index
    }

    /// Offers the chain whose first descriptor is `head`.
    pub(super) fn publish(&mut self, head: u16) {
        let place = planted!(self.index, "virtio-entry-one-late" => self.index.wrapping_add(1));
        self.words.write(ENTRIES + usize::from(place & (self.size - 1)), head);
        self.index = self.index.wrapping_add(1);
        // The device must not see the index before the entry, the descriptors and the buffers.
        fence(Ordering::Release);
        self.words.write(INDEX, self.index);
    }

    /// Disables or enables interrupts by flag.
    pub(super) fn set_no_interrupt(&mut self, is_set: bool) {
        self.words.write(FLAGS, if is_set { NO_NOTIFICATION } else { 0 });
    }

    /// Requests an interrupt once the used index passes `event` (2.7.10).
    pub(super) fn set_event(&mut self, event: u16) {
        self.words.write(ENTRIES + usize::from(self.size), event);
    }
}

/// An entry of the used ring: a chain that the device has finished.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(super) struct UsedElement {
    pub(super) id: u32,
    pub(super) length: u32,
}

/// The used ring: flags, index, entries, and the available index at which the device requests a kick.
#[derive(Debug)]
pub(super) struct Used {
    header: DmaShared<u16>,
    elements: DmaShared<UsedElement>,
    event: DmaShared<u16>,
    size: u16,
}

impl Used {
    pub(super) fn bytes(size: u16) -> usize {
        2 * 3 + size_of::<UsedElement>() * usize::from(size)
    }

    pub(super) fn carve(region: &mut DmaRegion, size: u16) -> Option<Self> {
        // Each part ends at the alignment of the next, so they are contiguous.
        let header = region.carve(ENTRIES, 4)?;
        let elements = region.carve(size.into(), 4)?;
        Some(Self { header, elements, event: region.carve(1, 2)?, size })
    }

    pub(super) fn bus(&self) -> BusAddress {
        self.header.bus()
    }

    /// Returns a view of flags and index.
    pub(super) fn reader(&self) -> DmaReader<u16> {
        self.header.reader()
    }

    /// Returns the number of chains used so far, modulo 65,536, as reported by the device.
    #[inline]
    pub(super) fn index(&self) -> u16 {
        let index = self.header.read(INDEX);
        // The elements and the buffers must be read after the index that covers them.
        fence(Ordering::Acquire);
        index
    }

    pub(super) fn element(&self, index: u16) -> UsedElement {
        self.elements.read(usize::from(index & (self.size - 1)))
    }

    /// Returns whether the device has disabled kicks by flag.
    pub(super) fn no_notify(&self) -> bool {
        self.header.read(FLAGS) & NO_NOTIFICATION != 0
    }

    /// Returns the available index past which the device requests a kick.
    pub(super) fn event(&self) -> u16 {
        self.event.read(0)
    }
}

/// Returns whether an index that advanced from `old` to `new` passed `event` (2.7.7.1).
pub(super) fn passes_event(event: u16, new: u16, old: u16) -> bool {
    new.wrapping_sub(event).wrapping_sub(1) < new.wrapping_sub(old)
}
