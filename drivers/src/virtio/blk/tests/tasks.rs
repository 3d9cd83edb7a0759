//! Tests of many tasks on one disk, some of which are dropped.

use alloc::boxed::Box;
use core::pin::pin;
use core::task::Context;

use super::*;

#[test]
fn more_tasks_than_requests_are_all_served() {
    let (driver, mut disk) = disk(0);
    let mut buffers = vec![[0; SECTOR_SIZE]; 3 * MAX_REQUESTS];
    let sectors = || (0..SECTORS as u64).cycle();
    let mut reads: Vec<_> =
        buffers.iter_mut().zip(sectors()).map(|(buffer, at)| Box::pin(driver.read(at, buffer))).collect();
    let mut left: Vec<_> = reads.iter_mut().map(|read| (read, waker(), 0)).collect();
    let mut rounds = 0;
    while !left.is_empty() {
        left.retain_mut(|(read, (waker, wakes), seen)| {
            // As by an executor: a task is polled once, and then only after it was woken.
            if rounds > 0 && wakes.count() == *seen {
                return true;
            }
            *seen = wakes.count();
            Future::poll(read.as_mut(), &mut Context::from_waker(waker)).is_pending()
        });
        rounds += 1;
        assert!(rounds < 100, "{} tasks were not woken", left.len());
        assert!(disk.work() <= MAX_REQUESTS);
    }
    drop(left);
    drop(reads);
    let is_right = |(buffer, at): (&[u8; SECTOR_SIZE], u64)| buffer.iter().all(|byte| u64::from(*byte) == at);
    assert!(buffers.iter().zip(sectors()).all(is_right));
}

/// Pseudo-random numbers, the same in each run.
struct Random(u32);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.0 >> 8) as usize % limit
    }
}

#[test]
fn tasks_that_are_dropped_at_any_time_leave_no_task_asleep() {
    for seed in 0..200 {
        run_tasks(seed, disk(0));
    }
}

/// The poll budget of a disk, in microseconds.
const POLL_BUDGET_US: u64 = 300;

#[test]
fn polling_tasks_leave_no_task_asleep() {
    for seed in 0..50 {
        let (driver, mut disk) = disk(0);
        driver.set_poll_budget_ns(POLL_BUDGET_US * 1000);
        let reads = (0..SECTORS as u64).cycle().take(1500);
        let polled = reads.filter(|at| is_read_polled(*at, &driver, &mut disk)).count();
        assert!(polled > 700, "{polled} of 1500");
        run_tasks(seed, (driver, disk));
    }
}

/// Reads a sector, which takes longer by interrupt. Returns whether no interrupt was requested.
fn is_read_polled(at: u64, driver: &VirtioBlk, disk: &mut DiskModel) -> bool {
    let (waker, wakes) = waker();
    let mut context = Context::from_waker(&waker);
    let mut sector = [0; SECTOR_SIZE];
    let mut read = pin!(driver.read(at, &mut sector));
    assert!(Future::poll(read.as_mut(), &mut context).is_pending());
    let before = wakes.count();
    assert_eq!(disk.work_on(1), 1);
    let is_polled = !disk.is_interrupting;
    if !is_polled {
        disk.wait(20);
        disk.interrupt();
    }
    assert!(is_polled && before > 0 || wakes.count() > before, "the task was not woken");
    assert_eq!(Future::poll(read.as_mut(), &mut context), Poll::Ready(Ok(())));
    is_polled
}

fn run_tasks(seed: u32, (driver, mut disk): (VirtioBlk, DiskModel)) {
    let mut random = Random(seed);
    let mut tasks = Vec::new();
    let mut done = 0;
    for round in 0.. {
        if round < 60 {
            for _ in 0..random.below(12) {
                let at = random.below(SECTORS) as u64;
                let driver = &driver;
                let read = async move {
                    let mut first = None;
                    driver.read_in_place(at, SECTOR_SIZE, |data| first = Some(data[0])).await.map(|()| first)
                };
                // The impossible number of wakes has it polled for the first time.
                tasks.push((Box::pin(read), waker(), usize::MAX, at));
            }
        } else if tasks.is_empty() {
            break;
        }
        assert!(round < 2000, "seed {seed}: {} tasks were not woken", tasks.len());
        tasks.retain_mut(|(read, (waker, wakes), seen, at)| {
            // The device works concurrently with the tasks, and its interrupts arrive at any time.
            if random.below(4) == 0 {
                disk.work_on(random.below(4));
            }
            if random.below(4) == 0 {
                disk.interrupt();
            }
            if random.below(64) == 0 {
                disk.wait(2 * POLL_BUDGET_US);
            }
            // Other tasks of this round may have woken it too.
            if *seen == wakes.count() {
                return true;
            }
            *seen = wakes.count();
            let poll = Future::poll(read.as_mut(), &mut Context::from_waker(waker));
            if let Poll::Ready(outcome) = &poll {
                assert_eq!(*outcome, Ok(Some(at.to_le_bytes()[0])));
                done += 1;
            }
            poll.is_pending()
        });
        if round < 60 && random.below(3) == 0 {
            tasks.retain(|_| random.below(8) > 0);
        }
        disk.interrupt();
    }
    assert!(done > 50, "seed {seed}: {done}");
}

#[test]
fn a_dropped_read_neither_leaks_its_request_nor_writes_its_buffer() {
    let (driver, mut disk) = disk(0);
    let (waker, wakes) = waker();
    let mut context = Context::from_waker(&waker);
    for _ in 0..5 {
        for at in 0..MAX_REQUESTS as u64 {
            let mut buffer = [0xee; SECTOR_SIZE];
            let mut read = pin!(driver.read(at, &mut buffer));
            assert!(Future::poll(read.as_mut(), &mut context).is_pending());
        }
        // All requests are in flight, and no task waits for them. A task that waits for an idle one is woken.
        let mut buffer = [0; SECTOR_SIZE];
        let before = wakes.count();
        let mut read = pin!(driver.read(77, &mut buffer));
        assert!(Future::poll(read.as_mut(), &mut context).is_pending());
        assert_eq!(disk.work(), MAX_REQUESTS);
        assert!(wakes.count() > before, "the task was not woken");
        assert!(Future::poll(read.as_mut(), &mut context).is_pending());
        assert_eq!(disk.work(), 1);
        assert_eq!(Future::poll(read.as_mut(), &mut context).map(|outcome| outcome.is_ok()), Poll::Ready(true));
    }
}
