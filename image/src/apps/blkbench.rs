//! Random reads of 4 KiB from the first disk, so many at a time, counted.
//!
//! ```text
//! app=blkbench -- [qd N] [secs S] [count READS] [verify zeros|offsets]
//! ```
//!
//! `verify` looks at every byte: that all are zero, or that each eight bytes are the little-endian number of their
//! own place on the disk.

use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::string::String;
use core::cell::{Cell, RefCell};

use embassy_time::{Duration, Instant};
use switchboard::event::{Notifier, Waiter, event};
use switchboard_drivers::interfaces::block::{BlockDevice, BlockError, SECTOR_SIZE};
use switchboard_runtime::mark::{BLOCK, mark};

use switchboard_runtime::disk::Disk;
use switchboard_runtime::say;
use switchboard_runtime::system::{Outcome, System};

const BLOCK_SIZE: usize = 4096;
const SECTORS: u64 = (BLOCK_SIZE / SECTOR_SIZE) as u64;
/// A reader looks at the clock once in so many reads.
const GLANCE: u64 = 16;
/// More would not be under way at once.
const DEEPEST: u64 = 256;

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("no disk: no function has a disk driver")]
    NoDisk,
    #[error("the disk has fewer than 4,096 bytes")]
    TooSmall,
    #[error("`{0}` is not understood: the words are qd N, secs S, count READS, verify zeros|offsets")]
    Usage(String),
    #[error(transparent)]
    Disk(#[from] BlockError),
    #[error("{0} blocks did not hold what they should")]
    Wrong(u64),
}

/// What the bytes of a block should be.
#[derive(Debug, Clone, Copy)]
enum Content {
    Anything,
    Zeros,
    Offsets,
}

/// What the command line asks for.
#[derive(Debug, Clone, Copy)]
struct Wish {
    depth: u64,
    seconds: u64,
    count: u64,
    content: Content,
}

impl Wish {
    fn parse(text: &str) -> Result<Self, Failure> {
        let usage = || Failure::Usage(text.into());
        let mut wish = Self { depth: 1, seconds: 2, count: u64::MAX, content: Content::Anything };
        let mut words = text.split_ascii_whitespace();
        while let Some(word) = words.next() {
            let value = words.next().ok_or_else(usage)?;
            let number = || value.parse::<u64>().ok().filter(|number| *number > 0).ok_or_else(usage);
            match (word, value) {
                ("qd", _) => wish.depth = number()?.min(DEEPEST),
                ("secs", _) => wish.seconds = number()?,
                ("count", _) => wish.count = number()?,
                ("verify", "zeros") => wish.content = Content::Zeros,
                ("verify", "offsets") => wish.content = Content::Offsets,
                _ => return Err(usage()),
            }
        }
        Ok(wish)
    }
}

/// One run, and what came of it so far.
struct Run {
    disk: Disk,
    blocks: u64,
    content: Content,
    /// Reads that may still be started.
    left: Cell<u64>,
    until: Instant,
    reads: Cell<u64>,
    wrong: Cell<u64>,
    error: RefCell<Option<BlockError>>,
    readers: Cell<u64>,
    over: Notifier,
}

impl Run {
    fn new(disk: Disk, wish: Wish) -> Result<(Rc<Self>, Waiter), Failure> {
        let blocks = disk.capacity() / SECTORS;
        if blocks == 0 {
            return Err(Failure::TooSmall);
        }
        let (over, waiter) = event();
        let until = Instant::now() + Duration::from_secs(wish.seconds);
        let run = Self {
            disk,
            blocks,
            content: wish.content,
            left: Cell::new(wish.count),
            until,
            reads: Cell::new(0),
            wrong: Cell::new(0),
            error: RefCell::default(),
            readers: Cell::new(wish.depth),
            over,
        };
        Ok((Rc::new(run), waiter))
    }

    /// Reads one block after the other, until it is over.
    async fn read(self: Rc<Self>, seed: u64) {
        let mut chance = 0x9e37_79b9_7f4a_7c15 ^ seed << 32 | 1;
        for turn in 0_u64.. {
            let is_late = || turn.is_multiple_of(GLANCE) && Instant::now() >= self.until;
            if self.left.get() == 0 || self.error.borrow().is_some() || is_late() {
                break;
            }
            self.left.set(self.left.get() - 1);
            chance ^= chance << 13;
            chance ^= chance >> 7;
            chance ^= chance << 17;
            let block = chance % self.blocks;
            let mut is_right = true;
            let check = |data: &[u8]| is_right &= holds(self.content, data, block * BLOCK_SIZE as u64);
            if let Err(error) = self.disk.read_in_place(block * SECTORS, BLOCK_SIZE, check).await {
                self.error.replace(Some(error));
                break;
            }
            mark::<BLOCK>();
            self.reads.set(self.reads.get() + 1);
            self.wrong.set(self.wrong.get() + u64::from(!is_right));
        }
        self.readers.set(self.readers.get() - 1);
        if self.readers.get() == 0 {
            self.over.notify_from_task();
        }
    }
}

/// Whether a block from `offset` on, of which this is one piece and the only one, holds what it should.
fn holds(content: Content, data: &[u8], offset: u64) -> bool {
    match content {
        Content::Anything => true,
        Content::Zeros => data.iter().all(|byte| *byte == 0),
        Content::Offsets => {
            let places = (offset..).step_by(size_of::<u64>());
            data.chunks(size_of::<u64>()).zip(places).all(|(word, place)| word == place.to_le_bytes())
        }
    }
}

pub(super) async fn run(system: System) -> Outcome {
    let wish = Wish::parse(system.arguments)?;
    let disk = system.devices.first::<Disk>().ok_or(Failure::NoDisk)?.device.clone();
    let (run, mut over) = Run::new(disk, wish)?;
    let start = Instant::now();
    for seed in 0..wish.depth {
        system.tasks.spawn(run.clone().read(seed));
    }
    over.wait().await;
    let microseconds = start.elapsed().as_micros().max(1);
    let (reads, wrong) = (run.reads.get(), run.wrong.get());
    let each_second = reads * 1_000_000 / microseconds;
    say!("blkbench: qd {}, {reads} reads in {microseconds} us, {each_second} per second, {wrong} wrong", wish.depth);
    match (run.error.take(), wrong) {
        (Some(error), _) => Err(Box::new(Failure::Disk(error))),
        (None, 0) => Ok(()),
        (None, wrong) => Err(Box::new(Failure::Wrong(wrong))),
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    #[test]
    fn wishes_are_understood_or_refused() {
        let wish = Wish::parse("qd 32 secs 5 verify offsets").expect("good words");
        assert!(matches!(wish, Wish { depth: 32, seconds: 5, count: u64::MAX, content: Content::Offsets }));
        assert!(matches!(Wish::parse(""), Ok(Wish { depth: 1, .. })));
        for text in ["qd", "qd 0", "qd x", "verify", "verify all", "fast 1"] {
            assert!(matches!(Wish::parse(text), Err(Failure::Usage(_))), "{text}");
        }
    }

    #[test]
    fn one_wrong_byte_is_seen() {
        let mut block: Vec<u8> = (8192..12288_u64).step_by(8).flat_map(u64::to_le_bytes).collect();
        assert!(holds(Content::Offsets, &block, 8192) && !holds(Content::Offsets, &block, 4096));
        block[4095] ^= 1;
        assert!(!holds(Content::Offsets, &block, 8192) && holds(Content::Anything, &block, 0));
        assert!(holds(Content::Zeros, &[0; BLOCK_SIZE], 0) && !holds(Content::Zeros, &block, 0));
    }
}
