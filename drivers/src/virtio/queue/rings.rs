//! The two rings: available, which the driver writes, and used, which the device writes (virtio 1.2, 2.7.6 and 2.7.8).
//!
//! Indices count on for ever modulo 65,536 and are cut to the ring's size, a power of two, at each access.

use core::sync::atomic::{Ordering, fence};

use switchboard::dma::{BusAddress, DmaRegion, DmaShared};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// In `flags` of either ring: the other side would rather not be told (without `EVENT_IDX`).
const QUIET: u16 = 1;

const FLAGS: usize = 0;
const INDEX: usize = 1;
/// Where the entries begin, in 16-bit words.
const ENTRIES: usize = 2;

/// What the driver offers: flags, index, one entry for each descriptor, and the used index at which it wants to hear.
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

    /// Chains offered so far, modulo 65,536.
    pub(super) fn index(&self) -> u16 {
        self.index
    }

    /// Offers the chain that begins at `head`.
    pub(super) fn publish(&mut self, head: u16) {
        self.words.write(ENTRIES + usize::from(self.index & (self.size - 1)), head);
        self.index = self.index.wrapping_add(1);
        // The device must not see the index before the entry, the descriptors, and what is in the buffers.
        fence(Ordering::Release);
        self.words.write(INDEX, self.index);
    }

    /// Asks for (or against) interrupts, by flag.
    pub(super) fn set_quiet(&mut self, is_quiet: bool) {
        self.words.write(FLAGS, if is_quiet { QUIET } else { 0 });
    }

    /// Asks for an interrupt once the used index passes `event` (2.7.10).
    pub(super) fn set_event(&mut self, event: u16) {
        self.words.write(ENTRIES + usize::from(self.size), event);
    }
}

/// A chain that the device is done with.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(super) struct UsedElement {
    pub(super) id: u32,
    pub(super) length: u32,
}

/// What the device gives back: flags, index, entries, and the available index at which it wants to hear.
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
        // Each part is aligned to what the one before it ends at, so they lie side by side.
        let header = region.carve(ENTRIES, 4)?;
        let elements = region.carve(size.into(), 4)?;
        Some(Self { header, elements, event: region.carve(1, 2)?, size })
    }

    pub(super) fn bus(&self) -> BusAddress {
        self.header.bus()
    }

    /// Chains used so far, modulo 65,536, as the device says.
    pub(super) fn index(&self) -> u16 {
        let index = self.header.read(INDEX);
        // The elements, and what is in the buffers, are read after the index that promised them.
        fence(Ordering::Acquire);
        index
    }

    pub(super) fn element(&self, index: u16) -> UsedElement {
        self.elements.read(usize::from(index & (self.size - 1)))
    }

    /// Whether the device would rather not be kicked, by flag.
    pub(super) fn is_quiet(&self) -> bool {
        self.header.read(FLAGS) & QUIET != 0
    }

    /// The available index past which the device wants to be kicked.
    pub(super) fn event(&self) -> u16 {
        self.event.read(0)
    }
}

/// Whether an index that went from `old` to `new` passed `event` (2.7.7.1).
pub(super) fn passed(event: u16, new: u16, old: u16) -> bool {
    new.wrapping_sub(event).wrapping_sub(1) < new.wrapping_sub(old)
}
