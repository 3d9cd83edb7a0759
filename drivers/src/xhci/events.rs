//! The event ring, by which the controller reports to the driver, and its segment table (xHCI 1.2, 4.9.4 and 6.5).

use switchboard::dma::{BusAddress, DmaError, DmaPort, DmaReader, DmaShared};
use zerocopy::{Immutable, IntoBytes, KnownLayout};

use super::trb::{CYCLE, Event, TRB_BYTES, Trb};

/// The TRBs of the ring: more than transfers and commands can be in flight, and at least 16.
pub(super) const EVENT_TRBS: u16 = 256;

/// An entry of the segment table: address and number of TRBs of a segment.
#[derive(Debug, Clone, Copy, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct SegmentTableEntry {
    trbs: BusAddress,
    size: u64,
}

/// An event ring of one segment.
#[derive(Debug)]
pub(super) struct EventRing {
    trbs: DmaShared<Trb>,
    table: DmaShared<SegmentTableEntry>,
    next: u16,
    cycle: u32,
}

impl EventRing {
    pub(super) fn new(dma: &DmaPort) -> Result<Self, DmaError> {
        let trbs = dma.region(usize::from(EVENT_TRBS) * TRB_BYTES)?.carve(EVENT_TRBS.into(), 64);
        let table = dma.region(size_of::<SegmentTableEntry>())?.carve(1, 64);
        let (trbs, mut table): (DmaShared<Trb>, DmaShared<_>) =
            (trbs.ok_or(DmaError::Empty)?, table.ok_or(DmaError::Empty)?);
        table.write(0, SegmentTableEntry { trbs: trbs.bus(), size: EVENT_TRBS.into() });
        Ok(Self { trbs, table, next: 0, cycle: CYCLE })
    }

    /// Empties the ring, while the controller is halted.
    pub(super) fn reset(&mut self) {
        for index in 0..EVENT_TRBS {
            self.trbs.write(index.into(), Trb::default());
        }
        (self.next, self.cycle) = (0, CYCLE);
    }

    pub(super) fn table(&self) -> BusAddress {
        self.table.bus()
    }

    /// Returns a view of the ring for the interrupt handler.
    pub(super) fn reader(&self) -> DmaReader<Trb> {
        self.trbs.reader()
    }

    /// Returns the address of the next event.
    pub(super) fn dequeue_pointer(&self) -> BusAddress {
        self.trbs.bus_of(self.next.into())
    }

    /// Returns the index of the next event, and the cycle bit that it will have, as one number.
    pub(super) fn position(&self) -> u32 {
        u32::from(self.next) << 1 | self.cycle
    }

    /// Takes the next event, if there is one.
    pub(super) fn pop(&mut self) -> Option<Event> {
        if self.trbs.read(self.next.into()).control & CYCLE != self.cycle {
            return None;
        }
        // Read again: the other fields are valid only once the cycle bit has changed.
        let trb = self.trbs.read(self.next.into());
        self.next += 1;
        if self.next == EVENT_TRBS {
            (self.next, self.cycle) = (0, self.cycle ^ CYCLE);
        }
        Some(Event::parse(trb))
    }
}

/// Returns whether there is an event at a [`position`](EventRing::position).
pub(super) fn is_pending(ring: &DmaReader<Trb>, position: u32) -> bool {
    let index = (position >> 1) as usize;
    index < ring.count() && ring.read(index).control & CYCLE == position & CYCLE
}
