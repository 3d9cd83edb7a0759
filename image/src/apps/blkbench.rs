//! A benchmark of the first disk: random reads of 4 KiB at a given queue depth.
//!
//! ```text
//! app=blkbench -- [qd N] [secs S] [count READS] [verify zeros|offsets]
//! ```
//!
//! `verify` checks every byte: all must be zero, or each eight bytes must be their own byte offset on the disk,
//! little-endian.

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
/// Reads of one reader between two checks of the time limit.
const READS_PER_TIME_CHECK: u64 = 16;
/// The greatest queue depth; a disk accepts no more requests at once.
const MAX_QUEUE_DEPTH: u64 = 256;

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("no disk: no function has a disk driver")]
    NoDisk,
    #[error("the disk has fewer than 4,096 bytes")]
    TooSmall,
    #[error("`{0}` is invalid: the arguments are qd N, secs S, count READS, verify zeros|offsets")]
    Usage(String),
    #[error(transparent)]
    Disk(#[from] BlockError),
    #[error("{0} blocks had wrong contents")]
    Wrong(u64),
}

/// The expected contents of a block.
#[derive(Debug, Clone, Copy)]
enum Content {
    Anything,
    Zeros,
    Offsets,
}

/// The arguments of the app.
#[derive(Debug, Clone, Copy)]
struct Workload {
    queue_depth: u64,
    seconds: u64,
    count: u64,
    content: Content,
}

impl Workload {
    fn parse(text: &str) -> Result<Self, Failure> {
        let usage = || Failure::Usage(text.into());
        let mut workload = Self { queue_depth: 1, seconds: 2, count: u64::MAX, content: Content::Anything };
        let mut arguments = text.split_ascii_whitespace();
        while let Some(name) = arguments.next() {
            let value = arguments.next().ok_or_else(usage)?;
            let number = || value.parse::<u64>().ok().filter(|number| *number > 0).ok_or_else(usage);
            match (name, value) {
                ("qd", _) => workload.queue_depth = number()?.min(MAX_QUEUE_DEPTH),
                ("secs", _) => workload.seconds = number()?,
                ("count", _) => workload.count = number()?,
                ("verify", "zeros") => workload.content = Content::Zeros,
                ("verify", "offsets") => workload.content = Content::Offsets,
                _ => return Err(usage()),
            }
        }
        Ok(workload)
    }
}

/// A run of the benchmark, shared by its readers.
struct Run {
    disk: Disk,
    blocks: u64,
    content: Content,
    /// Reads that may still be started.
    remaining: Cell<u64>,
    until: Instant,
    reads: Cell<u64>,
    wrong: Cell<u64>,
    error: RefCell<Option<BlockError>>,
    readers: Cell<u64>,
    over: Notifier,
}

impl Run {
    fn new(disk: Disk, workload: Workload) -> Result<(Rc<Self>, Waiter), Failure> {
        let blocks = disk.capacity() / SECTORS;
        if blocks == 0 {
            return Err(Failure::TooSmall);
        }
        let (over, waiter) = event();
        let until = Instant::now() + Duration::from_secs(workload.seconds);
        let run = Self {
            disk,
            blocks,
            content: workload.content,
            remaining: Cell::new(workload.count),
            until,
            reads: Cell::new(0),
            wrong: Cell::new(0),
            error: RefCell::default(),
            readers: Cell::new(workload.queue_depth),
            over,
        };
        Ok((Rc::new(run), waiter))
    }

    /// Reads one block after the other until the run is over. Each reader needs its own `seed`.
    async fn read(self: Rc<Self>, seed: u64) {
        let mut random = 0x9e37_79b9_7f4a_7c15 ^ seed << 32 | 1;
        for turn in 0_u64.. {
            let is_late = || turn.is_multiple_of(READS_PER_TIME_CHECK) && Instant::now() >= self.until;
            if self.remaining.get() == 0 || self.error.borrow().is_some() || is_late() {
                break;
            }
            self.remaining.set(self.remaining.get() - 1);
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let block = random % self.blocks;
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

/// Returns `true` if the block at byte `offset` of the disk has the expected contents.
fn holds(content: Content, data: &[u8], offset: u64) -> bool {
    match content {
        Content::Anything => true,
        Content::Zeros => data.iter().all(|byte| *byte == 0),
        Content::Offsets => {
            let offsets = (offset..).step_by(size_of::<u64>());
            data.chunks(size_of::<u64>()).zip(offsets).all(|(word, offset)| word == offset.to_le_bytes())
        }
    }
}

pub(super) async fn run(system: System) -> Outcome {
    let workload = Workload::parse(system.arguments)?;
    let disk = system.devices.first::<Disk>().ok_or(Failure::NoDisk)?.device.clone();
    let (run, mut over) = Run::new(disk, workload)?;
    let start = Instant::now();
    for seed in 0..workload.queue_depth {
        system.tasks.spawn(run.clone().read(seed));
    }
    over.wait().await;
    let microseconds = start.elapsed().as_micros().max(1);
    let (reads, wrong) = (run.reads.get(), run.wrong.get());
    let reads_per_second = reads * 1_000_000 / microseconds;
    say!(
        "blkbench: qd {}, {reads} reads in {microseconds} us, {reads_per_second} per second, {wrong} wrong",
        workload.queue_depth
    );
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
    fn arguments_are_parsed_or_rejected() {
        let workload = Workload::parse("qd 32 secs 5 verify offsets").expect("valid arguments");
        assert!(matches!(
            workload,
            Workload { queue_depth: 32, seconds: 5, count: u64::MAX, content: Content::Offsets }
        ));
        assert!(matches!(Workload::parse(""), Ok(Workload { queue_depth: 1, .. })));
        for text in ["qd", "qd 0", "qd x", "verify", "verify all", "fast 1"] {
            assert!(matches!(Workload::parse(text), Err(Failure::Usage(_))), "{text}");
        }
    }

    #[test]
    fn one_wrong_byte_is_detected() {
        let mut block: Vec<u8> = (8192..12288_u64).step_by(8).flat_map(u64::to_le_bytes).collect();
        assert!(holds(Content::Offsets, &block, 8192) && !holds(Content::Offsets, &block, 4096));
        block[4095] ^= 1;
        assert!(!holds(Content::Offsets, &block, 8192) && holds(Content::Anything, &block, 0));
        assert!(holds(Content::Zeros, &[0; BLOCK_SIZE], 0) && !holds(Content::Zeros, &block, 0));
    }
}
