//! The command ring and the event rings (xHCI 1.1, 4.9). They know memory, no registers.

use switchboard::dma::{BusAddress, DmaError, DmaPort, DmaShared};
use switchboard::driver::ProbeError;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// A transfer request block, of any kind (4.11.1).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(super) struct Trb {
    pub(super) parameter: u64,
    pub(super) status: u32,
    pub(super) control: u32,
}

/// `control`: whose the block is, by comparison with the ring's own cycle.
const CYCLE: u32 = 1;
/// `control` of a link: the cycle changes here.
const TOGGLE: u32 = 2;

/// Blocks of a ring. An event ring has at least 16.
pub(super) const BLOCKS: u16 = 64;
pub(super) const BLOCK_BYTES: u64 = size_of::<Trb>() as u64;

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

impl Trb {
    pub(super) fn is(&self, kind: Kind) -> bool {
        self.control & 0xfc00 == kind.control()
    }

    /// How a command ended: 1 is success (6.4.5).
    pub(super) fn completion(&self) -> u32 {
        self.status >> 24
    }
}

fn blocks(dma: &DmaPort) -> Result<DmaShared<Trb>, ProbeError> {
    shared(dma, BLOCKS.into())
}

/// `count` zeroed values on pages of their own, which no structure here may cross (6, table 54).
pub(super) fn shared<T: FromBytes + IntoBytes + Copy>(dma: &DmaPort, count: usize) -> Result<DmaShared<T>, ProbeError> {
    let mut region = dma.region(count * size_of::<T>())?;
    region.carve(count, 64).ok_or(ProbeError::Dma(DmaError::Empty))
}

/// Commands for the controller.
#[derive(Debug)]
pub(super) struct CommandRing {
    blocks: DmaShared<Trb>,
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
        Ok(Self { blocks: blocks(dma)?, next: 0, cycle: true, oldest: 0, under_way: 0 })
    }

    pub(super) fn bus(&self) -> BusAddress {
        self.blocks.bus()
    }

    /// Gives the controller a command; `false` when the ring is full of those that have not completed.
    pub(super) fn push(&mut self, kind: Kind) -> bool {
        if self.under_way == COMMANDS {
            return false;
        }
        self.hand_over(self.next, Trb { control: kind.control(), ..Trb::default() });
        self.under_way += 1;
        self.next += 1;
        if self.next == COMMANDS {
            let link = Trb { parameter: self.bus().get(), status: 0, control: Kind::Link.control() | TOGGLE };
            self.hand_over(COMMANDS, link);
            self.next = 0;
            self.cycle = !self.cycle;
        }
        true
    }

    /// The block becomes the controller's by its cycle bit, which is written when the rest is there.
    fn hand_over(&mut self, index: u16, block: Trb) {
        let (own, other) = if self.cycle { (CYCLE, 0) } else { (0, CYCLE) };
        self.blocks.write(index.into(), Trb { control: block.control | other, ..block });
        self.blocks.write(index.into(), Trb { control: block.control | own, ..block });
    }

    /// Whether some command has not completed.
    pub(super) fn are_under_way(&self) -> bool {
        self.under_way > 0
    }

    /// Takes a completion in. Commands complete in order (4.9.3), so `false` means that the controller told of one
    /// that it was not given, or that failed.
    pub(super) fn complete(&mut self, event: &Trb) -> bool {
        let expected = self.bus().offset(u64::from(self.oldest) * BLOCK_BYTES).get();
        if self.under_way == 0 || event.parameter != expected || event.completion() != 1 {
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
    blocks: DmaShared<Trb>,
    table: DmaShared<u64>,
    next: u16,
    cycle: bool,
}

impl EventRing {
    pub(super) fn new(dma: &DmaPort) -> Result<Self, ProbeError> {
        let blocks = blocks(dma)?;
        // Address and size of each segment (6.5).
        let mut table = shared(dma, 2)?;
        table.write(0, blocks.bus().get());
        table.write(1, BLOCKS.into());
        Ok(Self { blocks, table, next: 0, cycle: true })
    }

    pub(super) fn table(&self) -> BusAddress {
        self.table.bus()
    }

    /// Where the next event will be.
    pub(super) fn dequeue(&self) -> BusAddress {
        self.blocks.bus().offset(u64::from(self.next) * BLOCK_BYTES)
    }

    /// The next event, if there is one.
    pub(super) fn pop(&mut self) -> Option<Trb> {
        let is_ours = |block: Trb| (block.control & CYCLE != 0) == self.cycle;
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
