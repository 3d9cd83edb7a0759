//! The command ring and the event rings in memory (xHCI 1.1, 4.9), made of transfer request blocks (TRBs).

use switchboard::dma::{BusAddress, DmaError, DmaPort, DmaShared};
use switchboard::driver::ProbeError;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// A TRB of the command ring with a command without a parameter (4.11.1).
#[derive(Debug, Clone, Copy, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct CommandTrb {
    reserved: [u32; 3],
    control: u32,
}

/// The last TRB of the command ring, which links to the first one (6.4.4.1).
#[derive(Debug, Clone, Copy, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct LinkTrb {
    ring: BusAddress,
    reserved: u32,
    control: u32,
}

/// A TRB that the controller wrote to an event ring (6.4.2).
#[derive(Debug, Clone, Copy, FromBytes, KnownLayout)]
#[repr(C)]
pub(super) struct EventTrb {
    /// Of a completion: the address of the completed command.
    command: u64,
    status: u32,
    control: u32,
}

/// An entry of an event ring's segment table: address and number of TRBs of the segment (6.5).
#[derive(Debug, Clone, Copy, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct SegmentTableEntry {
    trbs: BusAddress,
    size: u64,
}

/// `control`: the cycle bit. Compared with the ring's cycle state, it decides whether driver or controller owns the TRB.
const CYCLE: u32 = 1;
/// `control` of a link: the cycle state toggles here.
const TOGGLE: u32 = 2;

/// The number of TRBs of a ring. An event ring needs at least 16.
pub(super) const RING_TRBS: u16 = 64;
const TRB_BYTES: usize = 16;
const _: () = assert!(size_of::<CommandTrb>() == TRB_BYTES && size_of::<LinkTrb>() == TRB_BYTES);
const _: () = assert!(size_of::<EventTrb>() == TRB_BYTES);

/// The TRB types that this driver uses (6.4.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TrbType {
    Link = 6,
    NoOpCommand = 23,
    CommandCompletion = 33,
}

impl TrbType {
    const fn control(self) -> u32 {
        (self as u32) << 10
    }
}

impl EventTrb {
    pub(super) fn is(&self, trb_type: TrbType) -> bool {
        self.control & 0xfc00 == trb_type.control()
    }

    /// Returns the completion code of a command: 1 is success (6.4.5).
    pub(super) fn completion_code(&self) -> u32 {
        self.status >> 24
    }
}

/// Allocates `count` zeroed values on pages of their own, because these structures must not cross a page (6, table 54).
pub(super) fn shared<T: Copy>(dma: &DmaPort, count: usize) -> Result<DmaShared<T>, ProbeError> {
    let mut region = dma.region(count * size_of::<T>())?;
    region.carve(count, 64).ok_or(NO_MEMORY)
}

const NO_MEMORY: ProbeError = ProbeError::Dma(DmaError::Empty);

/// The command ring: commands from the driver to the controller.
#[derive(Debug)]
pub(super) struct CommandRing {
    commands: DmaShared<CommandTrb>,
    /// The TRB after the last command.
    link: DmaShared<LinkTrb>,
    next: u16,
    cycle: bool,
    /// The index of the oldest pending command.
    oldest: u16,
    pending: u16,
}

/// The number of TRBs for commands: all but the link at the end.
const COMMANDS: u16 = RING_TRBS - 1;

impl CommandRing {
    pub(super) fn new(dma: &DmaPort) -> Result<Self, ProbeError> {
        let mut region = dma.region(usize::from(RING_TRBS) * TRB_BYTES)?;
        let commands = region.carve(COMMANDS.into(), 64).ok_or(NO_MEMORY)?;
        let link = region.carve(1, TRB_BYTES).ok_or(NO_MEMORY)?;
        Ok(Self { commands, link, next: 0, cycle: true, oldest: 0, pending: 0 })
    }

    pub(super) fn bus(&self) -> BusAddress {
        self.commands.bus()
    }

    /// Adds a command; returns `false` when the ring is full of pending commands.
    pub(super) fn push(&mut self, trb_type: TrbType) -> bool {
        if self.pending == COMMANDS {
            return false;
        }
        let [other, own] = self.cycles();
        for cycle in [other, own] {
            let command = CommandTrb { reserved: [0; 3], control: trb_type.control() | cycle };
            self.commands.write(self.next.into(), command);
        }
        self.pending += 1;
        self.next += 1;
        if self.next == COMMANDS {
            for cycle in [other, own] {
                let control = TrbType::Link.control() | TOGGLE | cycle;
                self.link.write(0, LinkTrb { ring: self.commands.bus(), reserved: 0, control });
            }
            self.next = 0;
            self.cycle = !self.cycle;
        }
        true
    }

    /// Returns the cycle bits of a TRB that the driver owns and of one that the controller owns. A TRB is written with the
    /// first and then with the second, so that it is complete when the controller may read it.
    fn cycles(&self) -> [u32; 2] {
        if self.cycle { [0, CYCLE] } else { [CYCLE, 0] }
    }

    /// Returns `true` while a command is pending.
    pub(super) fn has_pending(&self) -> bool {
        self.pending > 0
    }

    /// Completes the oldest command; returns `false` if the event is for another one or reports a failure.
    ///
    /// Commands complete in order (4.9.3).
    pub(super) fn complete(&mut self, event: &EventTrb) -> bool {
        let expected = self.commands.bus_of(self.oldest.into()).get();
        if self.pending == 0 || event.command != expected || event.completion_code() != 1 {
            return false;
        }
        self.pending -= 1;
        self.oldest = (self.oldest + 1) % COMMANDS;
        true
    }
}

/// The event ring of one interrupter: one segment, and its segment table.
#[derive(Debug)]
pub(super) struct EventRing {
    trbs: DmaShared<EventTrb>,
    table: DmaShared<SegmentTableEntry>,
    next: u16,
    cycle: bool,
}

impl EventRing {
    pub(super) fn new(dma: &DmaPort) -> Result<Self, ProbeError> {
        let trbs = shared::<EventTrb>(dma, RING_TRBS.into())?;
        let mut table = shared(dma, 1)?;
        table.write(0, SegmentTableEntry { trbs: trbs.bus(), size: RING_TRBS.into() });
        Ok(Self { trbs, table, next: 0, cycle: true })
    }

    pub(super) fn table(&self) -> BusAddress {
        self.table.bus()
    }

    /// Returns the address of the next event.
    pub(super) fn dequeue_pointer(&self) -> BusAddress {
        self.trbs.bus_of(self.next.into())
    }

    /// Returns two dequeue pointers for a ring without events: with the first it is empty, and with the second, which is
    /// ahead of the controller, it counts as not empty.
    pub(super) fn empty_and_ahead(&self) -> [BusAddress; 2] {
        [self.trbs.bus_of(0), self.trbs.bus_of(1)]
    }

    /// Takes the next event, if there is one.
    pub(super) fn pop(&mut self) -> Option<EventTrb> {
        let is_ours = |trb: EventTrb| (trb.control & CYCLE != 0) == self.cycle;
        if !is_ours(self.trbs.read(self.next.into())) {
            return None;
        }
        // Read again: the other fields are valid only once the cycle bit has changed.
        let event = self.trbs.read(self.next.into());
        self.next = (self.next + 1) % RING_TRBS;
        self.cycle ^= self.next == 0;
        Some(event)
    }
}
