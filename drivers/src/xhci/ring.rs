//! A ring from the driver to the controller: commands, or the transfers of an endpoint (xHCI 1.2, 4.9.2).
//!
//! The ring of an endpoint begins with cycle state 0, and is full of TRBs that the driver owns. So the address of a new ring is that
//! of its first TRB with the bit for the cycle state clear, and nothing is computed from an address. The command ring begins with
//! cycle state 1, as QEMU's controller takes no other (`xhci_ring_init`).

use switchboard::dma::{BusAddress, DmaError, DmaPort, DmaShared};

use super::trb::{AddressTrb, CYCLE, Entry, TOGGLE, TRB_BYTES, Trb, TrbType};

/// The TRBs of a ring, of which the last links to the first.
pub(super) const RING_TRBS: u16 = 64;
/// The TRBs that can be used.
pub(super) const USABLE_TRBS: u16 = RING_TRBS - 1;

/// A ring of one segment.
#[derive(Debug)]
pub(super) struct Ring {
    trbs: DmaShared<Trb>,
    next: u16,
    cycle: u32,
    first_cycle: u32,
}

impl Ring {
    /// Allocates the ring of an endpoint, on a page of its own.
    pub(super) fn new(dma: &DmaPort) -> Result<Self, DmaError> {
        Self::with_cycle(dma, 0)
    }

    /// Allocates the command ring.
    pub(super) fn for_commands(dma: &DmaPort) -> Result<Self, DmaError> {
        Self::with_cycle(dma, CYCLE)
    }

    fn with_cycle(dma: &DmaPort, first_cycle: u32) -> Result<Self, DmaError> {
        let mut region = dma.region(usize::from(RING_TRBS) * TRB_BYTES)?;
        let trbs = region.carve(RING_TRBS.into(), 64).ok_or(DmaError::Empty)?;
        let mut this = Self { trbs, next: 0, cycle: first_cycle, first_cycle };
        this.reset();
        Ok(this)
    }

    /// Empties the ring. The controller must not process it, and has to be given its [start](Self::start) afterwards.
    pub(super) fn reset(&mut self) {
        for index in 0..RING_TRBS {
            self.trbs.write(index.into(), Trb { control: self.first_cycle ^ CYCLE, ..Trb::default() });
        }
        (self.next, self.cycle) = (0, self.first_cycle);
    }

    /// Returns the address of the first TRB.
    pub(super) fn start(&self) -> BusAddress {
        self.trbs.bus()
    }

    /// Returns the index of the TRB that is written next.
    pub(super) fn next(&self) -> u16 {
        self.next
    }

    /// Writes TRBs, of which the controller sees the first last. Returns the index of the first.
    ///
    /// There is room: at most [`USABLE_TRBS`] are in use.
    pub(super) fn push(&mut self, entries: &[Entry]) -> u16 {
        let (first, owner) = (self.next, self.cycle);
        for (number, entry) in entries.iter().enumerate() {
            // The first is handed over when the others are complete.
            let cycle = if number == 0 { owner ^ CYCLE } else { self.cycle };
            self.write(self.next, entry, cycle);
            self.next += 1;
            if self.next == USABLE_TRBS {
                let link = AddressTrb { address: self.start(), status: 0, control: TrbType::Link.control() | TOGGLE };
                // A link within a transfer continues it (4.11.7).
                let chain = if number + 1 < entries.len() { super::trb::CHAIN } else { 0 };
                let link = Entry::Address(AddressTrb { control: link.control | chain, ..link });
                self.write(USABLE_TRBS, &link, self.cycle ^ CYCLE);
                self.write(USABLE_TRBS, &link, self.cycle);
                (self.next, self.cycle) = (0, self.cycle ^ CYCLE);
            }
        }
        if let Some(entry) = entries.first() {
            self.write(first, entry, owner);
        }
        first
    }

    fn write(&mut self, index: u16, entry: &Entry, cycle: u32) {
        match *entry {
            Entry::Plain(trb) => self.trbs.write(index.into(), Trb { control: trb.control | cycle, ..trb }),
            Entry::Address(trb) => {
                self.trbs.write_as(index.into(), AddressTrb { control: trb.control | cycle, ..trb });
            }
        }
    }

    /// Returns the index of the TRB at an address that the controller reports, or `None` if it is not one of the ring.
    pub(super) fn index_of(&self, pointer: u64) -> Option<u16> {
        let offset = pointer.checked_sub(self.start().get())?;
        let index = u16::try_from(offset / TRB_BYTES as u64).ok()?;
        (offset % TRB_BYTES as u64 == 0 && index < RING_TRBS).then_some(index)
    }
}

/// Returns how many TRBs `index` is behind `first`; the link is not counted.
pub(super) const fn distance(first: u16, index: u16) -> u16 {
    (index + USABLE_TRBS - first) % USABLE_TRBS
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use switchboard_testing::{FakeFunction, FakeMachine};

    use super::*;

    fn ring() -> (FakeMachine, Ring) {
        let fake = FakeMachine::new([FakeFunction::new(0x1234, 0x11e8)]);
        let dma = fake.machine().take_all().remove(0).claim().expect("a function").dma;
        let ring = Ring::new(&dma).expect("memory");
        (fake, ring)
    }

    /// The controller's side: follows links and cycle states.
    #[derive(Default)]
    struct Consumer {
        index: u16,
        cycle: u32,
    }

    impl Consumer {
        fn take(&mut self, ring: &Ring) -> Option<Trb> {
            let mut trb = ring.trbs.read(self.index.into());
            if trb.control & CYCLE != self.cycle {
                return None;
            }
            if trb.control >> 10 & 0x3f == TrbType::Link as u32 {
                assert_eq!((trb.parameter, trb.control & TOGGLE), (ring.start().get(), TOGGLE));
                (self.index, self.cycle) = (0, self.cycle ^ CYCLE);
                trb = ring.trbs.read(0);
                if trb.control & CYCLE != self.cycle {
                    return None;
                }
            }
            self.index += 1;
            Some(trb)
        }
    }

    #[test]
    fn entries_arrive_in_order_over_many_rounds() {
        let (_fake, mut ring) = ring();
        let mut consumer = Consumer::default();
        assert_eq!(consumer.take(&ring), None, "a new ring is empty");
        for round in 0..500_u64 {
            let count = 1 + round % 5;
            let entries: Vec<_> = (0..count).map(|at| Entry::plain(TrbType::Normal, round * 8 + at, 0, 0)).collect();
            let first = ring.push(&entries);
            let found: Vec<_> = core::iter::from_fn(|| consumer.take(&ring)).map(|trb| trb.parameter).collect();
            assert_eq!(found, (0..count).map(|at| round * 8 + at).collect::<Vec<_>>(), "round {round}");
            assert!(first < USABLE_TRBS);
        }
        ring.reset();
        assert_eq!(Consumer::default().take(&ring), None, "an emptied ring is empty");
    }

    #[test]
    fn addresses_that_are_not_of_the_ring_are_refused() {
        let (_fake, ring) = ring();
        let start = ring.start().get();
        assert_eq!((ring.index_of(start), ring.index_of(start + 16 * 63)), (Some(0), Some(63)));
        for pointer in [start + 8, start + 16 * 64, start - 16, 0, u64::MAX] {
            assert_eq!(ring.index_of(pointer), None, "{pointer:#x}");
        }
        assert_eq!((distance(60, 62), distance(62, 0), distance(5, 5)), (2, 1, 0));
    }
}
