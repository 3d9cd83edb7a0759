//! The command ring and the event rings (xHCI 1.1, 4.9). They know memory, no registers.

use switchboard::dma::{BusAddress, DmaError, DmaPort, DmaShared};
use switchboard::driver::ProbeError;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// A block of the command ring that holds a command without a parameter (4.11.1).
#[derive(Debug, Clone, Copy, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Command {
    reserved: [u32; 3],
    control: u32,
}

/// The last block of the command ring, which leads back to the first one (6.4.4.1).
#[derive(Debug, Clone, Copy, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Link {
    ring: BusAddress,
    reserved: u32,
    control: u32,
}

/// A block that the controller wrote to an event ring (6.4.2).
#[derive(Debug, Clone, Copy, FromBytes, KnownLayout)]
#[repr(C)]
pub(super) struct Event {
    /// Of a completion: where the command is that has completed.
    command: u64,
    status: u32,
    control: u32,
}

/// Where a segment of an event ring is, and how many blocks it has (6.5).
#[derive(Debug, Clone, Copy, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Segment {
    blocks: BusAddress,
    size: u64,
}

/// `control`: whose the block is, by comparison with the ring's own cycle.
const CYCLE: u32 = 1;
/// `control` of a link: the cycle changes here.
const TOGGLE: u32 = 2;

/// Blocks of a ring. An event ring has at least 16.
pub(super) const BLOCKS: u16 = 64;
const BLOCK_BYTES: usize = 16;
const _: () = assert!(size_of::<Command>() == BLOCK_BYTES && size_of::<Link>() == BLOCK_BYTES);
const _: () = assert!(size_of::<Event>() == BLOCK_BYTES);

/// The kinds of blocks that this driver knows (6.4.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Link = 6,
    NoOpCommand = 23,
    CommandCompletion = 33,
}

impl Kind {
    const fn control(self) -> u32 {
        (self as u32) << 10
    }
}

impl Event {
    pub(super) fn is(&self, kind: Kind) -> bool {
        self.control & 0xfc00 == kind.control()
    }

    /// How a command ended: 1 is success (6.4.5).
    pub(super) fn completion(&self) -> u32 {
        self.status >> 24
    }
}

/// `count` zeroed values on pages of their own, which no structure here may cross (6, table 54).
pub(super) fn shared<T: Copy>(dma: &DmaPort, count: usize) -> Result<DmaShared<T>, ProbeError> {
    let mut region = dma.region(count * size_of::<T>())?;
    region.carve(count, 64).ok_or(NO_ROOM)
}

const NO_ROOM: ProbeError = ProbeError::Dma(DmaError::Empty);

/// Commands for the controller.
#[derive(Debug)]
pub(super) struct CommandRing {
    commands: DmaShared<Command>,
    /// Behind the last command.
    link: DmaShared<Link>,
    next: u16,
    cycle: bool,
    /// The oldest command that has not completed.
    oldest: u16,
    under_way: u16,
}

/// Blocks that hold commands: all but the link at the end.
const COMMANDS: u16 = BLOCKS - 1;

impl CommandRing {
    pub(super) fn new(dma: &DmaPort) -> Result<Self, ProbeError> {
        let mut region = dma.region(usize::from(BLOCKS) * BLOCK_BYTES)?;
        let commands = region.carve(COMMANDS.into(), 64).ok_or(NO_ROOM)?;
        let link = region.carve(1, BLOCK_BYTES).ok_or(NO_ROOM)?;
        Ok(Self { commands, link, next: 0, cycle: true, oldest: 0, under_way: 0 })
    }

    pub(super) fn bus(&self) -> BusAddress {
        self.commands.bus()
    }

    /// Gives the controller a command; `false` when the ring is full of those that have not completed.
    pub(super) fn push(&mut self, kind: Kind) -> bool {
        if self.under_way == COMMANDS {
            return false;
        }
        let [other, own] = self.cycles();
        for cycle in [other, own] {
            let command = Command { reserved: [0; 3], control: kind.control() | cycle };
            self.commands.write(self.next.into(), command);
        }
        self.under_way += 1;
        self.next += 1;
        if self.next == COMMANDS {
            for cycle in [other, own] {
                let control = Kind::Link.control() | TOGGLE | cycle;
                self.link.write(0, Link { ring: self.commands.bus(), reserved: 0, control });
            }
            self.next = 0;
            self.cycle = !self.cycle;
        }
        true
    }

    /// The cycle bit of a block that is still the driver's, and of one that is the controller's. A block is written with
    /// the first and then with the second, so that the rest is there when the controller takes it.
    fn cycles(&self) -> [u32; 2] {
        if self.cycle { [0, CYCLE] } else { [CYCLE, 0] }
    }

    /// Whether some command has not completed.
    pub(super) fn are_under_way(&self) -> bool {
        self.under_way > 0
    }

    /// Takes a completion in. Commands complete in order (4.9.3), so `false` means that the controller told of one
    /// that it was not given, or that failed.
    pub(super) fn complete(&mut self, event: &Event) -> bool {
        let expected = self.commands.bus_of(self.oldest.into()).get();
        if self.under_way == 0 || event.command != expected || event.completion() != 1 {
            return false;
        }
        self.under_way -= 1;
        self.oldest = (self.oldest + 1) % COMMANDS;
        true
    }
}

/// Events of one interrupter, and the table with the one segment that they are in.
#[derive(Debug)]
pub(super) struct EventRing {
    blocks: DmaShared<Event>,
    table: DmaShared<Segment>,
    next: u16,
    cycle: bool,
}

impl EventRing {
    pub(super) fn new(dma: &DmaPort) -> Result<Self, ProbeError> {
        let blocks = shared::<Event>(dma, BLOCKS.into())?;
        let mut table = shared(dma, 1)?;
        table.write(0, Segment { blocks: blocks.bus(), size: BLOCKS.into() });
        Ok(Self { blocks, table, next: 0, cycle: true })
    }

    pub(super) fn table(&self) -> BusAddress {
        self.table.bus()
    }

    /// Where the next event will be.
    pub(super) fn dequeue(&self) -> BusAddress {
        self.blocks.bus_of(self.next.into())
    }

    /// Where a ring that nothing was ever written to counts as empty, and as one that holds something.
    pub(super) fn rest_and_ahead(&self) -> [BusAddress; 2] {
        [self.blocks.bus_of(0), self.blocks.bus_of(1)]
    }

    /// The next event, if there is one.
    pub(super) fn pop(&mut self) -> Option<Event> {
        let is_ours = |block: Event| (block.control & CYCLE != 0) == self.cycle;
        if !is_ours(self.blocks.read(self.next.into())) {
            return None;
        }
        // Once more: what is beside the cycle bit is there for sure only after that was seen.
        let event = self.blocks.read(self.next.into());
        self.next = (self.next + 1) % BLOCKS;
        self.cycle ^= self.next == 0;
        Some(event)
    }
}
