//! A benchmark of the first disk: random reads or writes of 4 KiB at a given queue depth.
//!
//! ```text
//! app=blkbench -- [do read|write|flush] [qd N] [secs S] [turns N] [count OPERATIONS] [verify zeros|offsets]
//! ```
//!
//! `flush` writes, and flushes after each write. `secs` and `count` limit each turn. `verify` checks every byte that is
//! read: all must be zero, or each eight bytes must be their own byte offset on the disk, little-endian.

mod workload;

use alloc::boxed::Box;
use alloc::rc::Rc;
use core::cell::{Cell, RefCell};

use embassy_time::{Duration, Instant};
use switchboard::event::{Notifier, Waiter, event};
use switchboard_drivers::interfaces::block::{BlockDevice, BlockError, SECTOR_SIZE};
use switchboard_runtime::mark::{BLOCK, mark};

use switchboard_runtime::disk::Disk;
use switchboard_runtime::say;
use switchboard_runtime::system::{Outcome, System};

use workload::{Content, Failure, Operation, Workload, holds};

const BLOCK_SIZE: usize = 4096;
const SECTORS: u64 = (BLOCK_SIZE / SECTOR_SIZE) as u64;
/// Operations of one task between two checks of the time limit.
const OPERATIONS_PER_TIME_CHECK: u64 = 16;
/// What is written.
static DATA: [u8; BLOCK_SIZE] = [0x5a; BLOCK_SIZE];
/// The greatest queue depth; a disk accepts no more requests at once.
const MAX_QUEUE_DEPTH: u64 = 256;

/// A turn of the benchmark, shared by its tasks.
struct Run {
    disk: Disk,
    blocks: u64,
    operation: Operation,
    content: Content,
    /// Operations that may still be started.
    remaining: Cell<u64>,
    until: Instant,
    operations: Cell<u64>,
    wrong: Cell<u64>,
    error: RefCell<Option<BlockError>>,
    tasks: Cell<u64>,
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
            operation: workload.operation,
            content: workload.content,
            remaining: Cell::new(workload.count),
            until,
            operations: Cell::new(0),
            wrong: Cell::new(0),
            error: RefCell::default(),
            tasks: Cell::new(workload.queue_depth),
            over,
        };
        Ok((Rc::new(run), waiter))
    }

    /// Returns the next block, at random; `None` when the turn is over. Each task has its own `turn` and `random`.
    #[inline]
    fn next_block(&self, turn: u64, random: &mut u64) -> Option<u64> {
        let is_late = || turn.is_multiple_of(OPERATIONS_PER_TIME_CHECK) && Instant::now() >= self.until;
        if self.remaining.get() == 0 || self.error.borrow().is_some() || is_late() {
            return None;
        }
        self.remaining.set(self.remaining.get() - 1);
        *random ^= *random << 13;
        *random ^= *random >> 7;
        *random ^= *random << 17;
        Some(*random % self.blocks)
    }

    /// Counts an operation; returns whether the task goes on.
    #[inline]
    fn count(&self, result: Result<(), BlockError>, is_right: bool) -> bool {
        if let Err(error) = result {
            self.error.replace(Some(error));
            return false;
        }
        mark::<BLOCK>();
        self.operations.set(self.operations.get() + 1);
        self.wrong.set(self.wrong.get() + u64::from(!is_right));
        true
    }

    /// Notes that a task has ended.
    fn end(&self) {
        self.tasks.set(self.tasks.get() - 1);
        if self.tasks.get() == 0 {
            self.over.notify_from_task();
        }
    }

    /// Reads one block after the other until the turn is over. Each task needs its own `seed`.
    async fn read(self: Rc<Self>, seed: u64) {
        let mut random = first_random(seed);
        for turn in 0_u64.. {
            let Some(block) = self.next_block(turn, &mut random) else { break };
            let mut is_right = true;
            let check = |data: &[u8]| is_right &= holds(self.content, data, block * BLOCK_SIZE as u64);
            let result = self.disk.read_in_place(block * SECTORS, BLOCK_SIZE, check).await;
            if !self.count(result, is_right) {
                break;
            }
        }
        self.end();
    }

    /// Writes in the same way, and flushes if that is measured.
    async fn write(self: Rc<Self>, seed: u64) {
        let mut random = first_random(seed);
        for turn in 0_u64.. {
            let Some(block) = self.next_block(turn, &mut random) else { break };
            let mut result = self.disk.write(block * SECTORS, &DATA).await;
            if result.is_ok() && self.operation == Operation::Flush {
                result = self.disk.flush().await;
            }
            if !self.count(result, true) {
                break;
            }
        }
        self.end();
    }
}

/// Returns the state of the random numbers of a task.
const fn first_random(seed: u64) -> u64 {
    0x9e37_79b9_7f4a_7c15 ^ seed << 32 | 1
}

pub(super) async fn run(system: System) -> Outcome {
    let workload = Workload::parse(system.arguments)?;
    let disk = system.devices.first::<Disk>().ok_or(Failure::NoDisk)?.device.clone();
    for _ in 0..workload.turns {
        turn(&system, disk.clone(), workload).await?;
    }
    Ok(())
}

/// Runs one turn, and prints a line before and after it.
async fn turn(system: &System, disk: Disk, workload: Workload) -> Outcome {
    say!("blkbench: begin");
    let (run, mut over) = Run::new(disk, workload)?;
    let start = Instant::now();
    for seed in 0..workload.queue_depth {
        match workload.operation {
            Operation::Read => system.tasks.spawn(run.clone().read(seed)),
            Operation::Write | Operation::Flush => system.tasks.spawn(run.clone().write(seed)),
        }
    }
    over.wait().await;
    let microseconds = start.elapsed().as_micros().max(1);
    let (operations, wrong) = (run.operations.get(), run.wrong.get());
    let per_second = operations * 1_000_000 / microseconds;
    say!(
        "blkbench: qd {}, {operations} operations in {microseconds} us, {per_second} per second, {wrong} wrong",
        workload.queue_depth
    );
    match (run.error.take(), wrong) {
        (Some(error), _) => Err(Box::new(Failure::Disk(error))),
        (None, 0) => Ok(()),
        (None, wrong) => Err(Box::new(Failure::Wrong(wrong))),
    }
}
