//! A disk of memory behind the queue: requests in any number, and what can go wrong with them.

use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::pin::pin;
use core::task::Context;

use switchboard::config::Address;
use switchboard_testing::FakeMachine;

use super::*;
use crate::interfaces::block::SECTOR_SIZE;
use crate::virtio::testing::{self, COMMON, DEVICE, DeviceQueue, OFFERED, TakenChain, run, waker};

const SECTORS: usize = 256;

/// The device: 256 sectors, all requests carried out in order.
struct Disk {
    machine: Arc<FakeMachine>,
    address: Address,
    device_queue: DeviceQueue,
    bytes: Vec<u8>,
    /// What the next requests report instead of success.
    failures: Vec<u8>,
    /// An interrupt is on its way.
    is_interrupting: bool,
}

fn disk(features: u32) -> (VirtioBlk, Disk) {
    let (machine, function) = testing::machine(testing::function(0x1042), OFFERED | features, 1);
    let address = function.address();
    machine.write_register(address, 0, DEVICE, testing::size(SECTORS));
    let driver = VirtioBlk::probe(function).expect("a good device");
    let device_queue = DeviceQueue::from_registers(&machine, address);
    let bytes = (0..SECTORS * SECTOR_SIZE).map(|index| (index / SECTOR_SIZE).to_le_bytes()[0]).collect();
    (driver, Disk { machine, address, device_queue, bytes, failures: Vec::new(), is_interrupting: false })
}

impl Disk {
    /// Carries out all requests there are; says how many that were.
    fn work(&mut self) -> usize {
        let count = self.work_on(usize::MAX);
        self.interrupt();
        count
    }

    /// So many microseconds pass: one with each look at the clock.
    fn wait(&self, microseconds: u64) {
        (0..microseconds).for_each(|_| _ = self.machine.machine().clock().now_ns());
    }

    /// The interrupt arrives, if there is one.
    fn interrupt(&mut self) {
        if core::mem::take(&mut self.is_interrupting) {
            self.machine.send(self.address, 0).expect("messages are on");
        }
    }

    /// Carries out so many requests at most; the interrupt for them comes later.
    fn work_on(&mut self, most: usize) -> usize {
        let mut count = 0;
        while count < most
            && let Some(chain) = self.device_queue.take()
        {
            self.is_interrupting |= self.carry_out(&chain);
            count += 1;
        }
        count
    }

    /// Says whether the driver wants to hear of it.
    fn carry_out(&mut self, chain: &TakenChain) -> bool {
        let [header, data @ .., status] = &chain.segments[..] else { panic!("a header and a status") };
        let bytes = self.device_queue.read(header.address, 16);
        let kind = u32::from_le_bytes(bytes[..4].try_into().expect("4 bytes"));
        let mut at = usize::from_le_bytes(bytes[8..].try_into().expect("8 bytes")) * SECTOR_SIZE;
        let mut written = 1;
        for piece in data {
            let range = at..at + piece.length as usize;
            at = range.end;
            match kind {
                0 => {
                    self.device_queue.write(piece.address, &self.bytes[range]);
                    written += piece.length;
                }
                _ => self.bytes[range].copy_from_slice(&self.device_queue.read(piece.address, piece.length as usize)),
            }
        }
        self.device_queue.write(status.address, &[self.failures.pop().unwrap_or(0)]);
        self.device_queue.complete(chain.head.into(), written)
    }
}

#[test]
fn what_is_written_is_read_back() {
    let (driver, mut disk) = disk(1 << 9);
    let mut buffer = vec![0; 80 * 1024];
    run(driver.read(10, &mut buffer), || _ = disk.work()).expect("a read");
    assert!(buffer.chunks(SECTOR_SIZE).zip(10_u8..).all(|(sector, number)| sector.iter().all(|byte| *byte == number)));
    let data: Vec<_> = (0..buffer.len()).map(|index| (index % 251).to_le_bytes()[0]).collect();
    run(driver.write(20, &data), || _ = disk.work()).expect("a write");
    run(driver.flush(), || _ = disk.work()).expect("a flush");
    run(driver.read(20, &mut buffer), || _ = disk.work()).expect("a read");
    assert_eq!(buffer, data);
    assert_eq!(driver.finished(), 3 + 3 + 1 + 3);
}

#[test]
fn requests_that_make_no_sense_never_reach_the_device() {
    let (driver, _disk) = disk(1 << 5);
    let nothing = || panic!("the device was asked");
    let mut sector = [0; SECTOR_SIZE];
    assert_eq!(driver.capacity(), SECTORS as u64);
    let past = |sector| BlockError::PastEnd { sector, sectors: 1, capacity: SECTORS as u64 };
    for at in [SECTORS as u64, u64::MAX] {
        assert_eq!(run(driver.read(at, &mut sector), nothing), Err(past(at)));
        assert_eq!(run(driver.write(at, &sector), nothing), Err(past(at)));
    }
    let unwhole = |length| Err(BlockError::NotSectors { sector: 3, length });
    assert_eq!(run(driver.read(3, &mut sector[..511]), nothing), unwhole(511));
    assert_eq!(run(driver.read(3, &mut []), nothing), unwhole(0));
    assert!(driver.is_read_only());
    assert_eq!(run(driver.write(3, &sector), nothing), Err(BlockError::ReadOnly { sector: 3 }));
    assert_eq!(run(driver.flush(), nothing), Ok(()), "there is no cache");
}

#[test]
fn what_the_device_reports_is_an_error_that_names_the_sector() {
    let (driver, mut disk) = disk(1 << 9);
    let mut sector = [0; SECTOR_SIZE];
    for (status, error) in [
        (1, BlockError::Io { sector: 7 }),
        (2, BlockError::Unsupported { sector: 7 }),
        (99, BlockError::Io { sector: 7 }),
        (0xff, BlockError::Io { sector: 7 }),
    ] {
        disk.failures.push(status);
        assert_eq!(run(driver.read(7, &mut sector), || _ = disk.work()), Err(error));
    }
    assert_eq!(run(driver.read(7, &mut sector), || _ = disk.work()), Ok(()));
}

#[test]
fn a_short_read_is_no_read() {
    let (driver, mut disk) = disk(0);
    let outcome = run(driver.read(7, &mut [0; SECTOR_SIZE]), || {
        let chain = disk.device_queue.take().expect("a request");
        disk.device_queue.write(chain.segments[2].address, &[0]);
        disk.device_queue.complete(chain.head.into(), 512);
        disk.machine.send(disk.address, 0).expect("messages are on");
    });
    assert_eq!(outcome, Err(BlockError::Io { sector: 7 }));
}

#[test]
fn more_tasks_than_requests_all_get_theirs() {
    let (driver, mut disk) = disk(0);
    let mut buffers = vec![[0; SECTOR_SIZE]; 3 * REQUESTS];
    let sectors = || (0..SECTORS as u64).cycle();
    let mut reads: Vec<_> =
        buffers.iter_mut().zip(sectors()).map(|(buffer, at)| alloc::boxed::Box::pin(driver.read(at, buffer))).collect();
    let mut left: Vec<_> = reads.iter_mut().map(|read| (read, waker(), 0)).collect();
    let mut rounds = 0;
    while !left.is_empty() {
        left.retain_mut(|(read, (waker, wakes), seen)| {
            // As an executor: a task is polled first, and then only when it was woken.
            if rounds > 0 && wakes.count() == *seen {
                return true;
            }
            *seen = wakes.count();
            Future::poll(read.as_mut(), &mut Context::from_waker(waker)).is_pending()
        });
        rounds += 1;
        assert!(rounds < 100, "{} tasks are left to sleep", left.len());
        assert!(disk.work() <= REQUESTS);
    }
    drop(left);
    drop(reads);
    let is_right = |(buffer, at): (&[u8; SECTOR_SIZE], u64)| buffer.iter().all(|byte| u64::from(*byte) == at);
    assert!(buffers.iter().zip(sectors()).all(is_right));
}

/// Numbers that look like chance, the same each time.
struct Chance(u32);

impl Chance {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.0 >> 8) as usize % limit
    }
}

#[test]
fn tasks_that_come_go_and_give_up_leave_nobody_asleep() {
    for seed in 0..200 {
        come_and_go(seed, disk(0));
    }
}

/// Microseconds for which a disk is polled.
const POLL_BUDGET_US: u64 = 300;

#[test]
fn neither_do_those_who_poll_while_that_is_faster() {
    for seed in 0..50 {
        let (driver, mut disk) = disk(0);
        driver.set_poll_budget_ns(POLL_BUDGET_US * 1000);
        let reads = (0..SECTORS as u64).cycle().take(1500);
        let polled = reads.filter(|at| is_read_polled(*at, &driver, &mut disk)).count();
        assert!(polled > 700, "{polled} of 1500");
        come_and_go(seed, (driver, disk));
    }
}

/// Reads a sector, which takes longer by interrupt. Says whether the device was asked for none.
fn is_read_polled(at: u64, driver: &VirtioBlk, disk: &mut Disk) -> bool {
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
    assert!(is_polled && before > 0 || wakes.count() > before, "left to sleep");
    assert_eq!(Future::poll(read.as_mut(), &mut context), Poll::Ready(Ok(())));
    is_polled
}

fn come_and_go(seed: u32, (driver, mut disk): (VirtioBlk, Disk)) {
    let mut chance = Chance(seed);
    let mut tasks = Vec::new();
    let mut done = 0;
    for round in 0.. {
        if round < 60 {
            for _ in 0..chance.below(12) {
                let at = chance.below(SECTORS) as u64;
                let driver = &driver;
                let read = async move {
                    let mut first = None;
                    driver.read_in_place(at, SECTOR_SIZE, |data| first = Some(data[0])).await.map(|()| first)
                };
                // Polled for the first time when it is its turn.
                tasks.push((alloc::boxed::Box::pin(read), waker(), usize::MAX, at));
            }
        } else if tasks.is_empty() {
            break;
        }
        assert!(round < 2000, "seed {seed}: {} tasks are left to sleep", tasks.len());
        tasks.retain_mut(|(read, (waker, wakes), seen, at)| {
            // The device works beside the tasks, and what it says arrives when it likes.
            if chance.below(4) == 0 {
                disk.work_on(chance.below(4));
            }
            if chance.below(4) == 0 {
                disk.interrupt();
            }
            if chance.below(64) == 0 {
                disk.wait(2 * POLL_BUDGET_US);
            }
            // Woken by what others did before in this round, too.
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
        if round < 60 && chance.below(3) == 0 {
            tasks.retain(|_| chance.below(8) > 0);
        }
        disk.interrupt();
    }
    assert!(done > 50, "seed {seed}: {done}");
}

#[test]
fn a_dropped_read_neither_leaks_its_request_nor_writes_where_it_was() {
    let (driver, mut disk) = disk(0);
    let (waker, wakes) = waker();
    let mut context = Context::from_waker(&waker);
    for _ in 0..5 {
        for at in 0..REQUESTS as u64 {
            let mut buffer = [0xee; SECTOR_SIZE];
            let mut read = pin!(driver.read(at, &mut buffer));
            assert!(Future::poll(read.as_mut(), &mut context).is_pending());
        }
        // All requests are with the device, and nobody waits for them; one who waits for a free one is woken.
        let mut buffer = [0; SECTOR_SIZE];
        let before = wakes.count();
        let mut read = pin!(driver.read(77, &mut buffer));
        assert!(Future::poll(read.as_mut(), &mut context).is_pending());
        assert_eq!(disk.work(), REQUESTS);
        assert!(wakes.count() > before, "left to sleep");
        assert!(Future::poll(read.as_mut(), &mut context).is_pending());
        assert_eq!(disk.work(), 1);
        assert_eq!(Future::poll(read.as_mut(), &mut context).map(|outcome| outcome.is_ok()), Poll::Ready(true));
    }
}

#[test]
fn a_device_that_breaks_the_rules_is_set_aside_and_everyone_hears_of_it() {
    let (driver, mut disk) = disk(0);
    let (waker, wakes) = waker();
    let mut context = Context::from_waker(&waker);
    let (mut one, mut other) = ([0; SECTOR_SIZE], [0; SECTOR_SIZE]);
    let mut first = pin!(driver.read(1, &mut one));
    let mut second = pin!(driver.read(2, &mut other));
    assert!(Future::poll(first.as_mut(), &mut context).is_pending());
    assert!(Future::poll(second.as_mut(), &mut context).is_pending());
    disk.device_queue.complete(1000, 0);
    disk.machine.send(disk.address, 0).expect("messages are on");
    assert!(wakes.count() >= 1);
    let mut outcome = |read| Future::poll(read, &mut context);
    assert_eq!(outcome(first.as_mut()), Poll::Ready(Err(BlockError::Quarantined { sector: 1 })));
    assert_eq!(disk.machine.read_register(disk.address, 0, COMMON + 20) & 0xff, 0, "it was reset");
    assert_eq!(
        disk.machine.read_config(disk.address, 4) & 4,
        0,
        "it is off the bus, whether it heeds the reset or not"
    );
    let quarantined = Poll::Ready(Err(BlockError::Quarantined { sector: 2 }));
    assert_eq!(Future::poll(second.as_mut(), &mut context), quarantined);
    assert_eq!(run(driver.flush(), || {}), Ok(()));
    let third = run(driver.read(3, &mut [0; SECTOR_SIZE]), || panic!("the device was asked"));
    assert_eq!(third, Err(BlockError::Quarantined { sector: 3 }));
}

#[test]
fn a_device_that_cannot_go_on_leaves_nobody_waiting() {
    let (driver, disk) = disk(0);
    let outcome = run(driver.read(1, &mut [0; SECTOR_SIZE]), || {
        let status = disk.machine.read_register(disk.address, 0, COMMON + 20);
        disk.machine.write_register(disk.address, 0, COMMON + 20, status | 64);
        disk.machine.send(disk.address, 1).expect("messages are on");
    });
    assert_eq!(outcome, Err(BlockError::Quarantined { sector: 1 }));
    assert_eq!(disk.machine.read_register(disk.address, 0, COMMON + 20) & 0xff, 0, "it was reset");
}

#[test]
fn a_disk_that_grows_says_so() {
    let (driver, disk) = disk(0);
    assert_eq!(driver.capacity(), SECTORS as u64);
    disk.machine.write_register(disk.address, 0, DEVICE + 4, 1);
    assert_eq!(driver.capacity(), SECTORS as u64, "not looked at without need");
    disk.machine.send(disk.address, 1).expect("messages are on");
    assert_eq!(driver.capacity(), SECTORS as u64 | 1 << 32);
}
