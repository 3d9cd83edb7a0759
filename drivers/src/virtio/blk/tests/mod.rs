//! Tests of the disk on a model of the device: single requests, many tasks, faults.

mod faults;
mod tasks;

use alloc::string::ToString;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use switchboard::config::Address;
use switchboard_testing::FakeMachine;

use super::*;
use crate::interfaces::block::SECTOR_SIZE;
use crate::virtio::testing::{self, COMMON, DEVICE, DeviceQueue, OFFERED, TakenChain, run, waker};

const SECTORS: usize = 256;

/// A model of the device: 256 sectors, and requests carried out in order.
struct DiskModel {
    machine: Arc<FakeMachine>,
    address: Address,
    device_queue: DeviceQueue,
    bytes: Vec<u8>,
    /// The statuses of the next requests, instead of success.
    failures: Vec<u8>,
    /// An interrupt is to be sent.
    is_interrupting: bool,
}

fn disk(features: u32) -> (VirtioBlk, DiskModel) {
    let (machine, function) = testing::machine(testing::function(0x1042), OFFERED | features, 1);
    let address = function.address();
    machine.write_register(address, 0, DEVICE, testing::size(SECTORS));
    let driver = VirtioBlk::probe(function).expect("a good device");
    let device_queue = DeviceQueue::from_registers(&machine, address);
    let bytes = (0..SECTORS * SECTOR_SIZE).map(|index| (index / SECTOR_SIZE).to_le_bytes()[0]).collect();
    (driver, DiskModel { machine, address, device_queue, bytes, failures: Vec::new(), is_interrupting: false })
}

impl DiskModel {
    /// Carries out all requests, and interrupts. Returns their number.
    fn work(&mut self) -> usize {
        let count = self.work_on(usize::MAX);
        self.interrupt();
        count
    }

    /// Lets time pass: a microsecond with each read of the clock.
    fn wait(&self, time_us: u64) {
        (0..time_us).for_each(|_| _ = self.machine.machine().clock().now_ns());
    }

    /// Sends the interrupt, if there is one.
    fn interrupt(&mut self) {
        if core::mem::take(&mut self.is_interrupting) {
            self.machine.send(self.address, 0).expect("messages are on");
        }
    }

    /// Carries out up to `max` requests, without the interrupt for them. Returns their number.
    fn work_on(&mut self, max: usize) -> usize {
        let mut count = 0;
        while count < max
            && let Some(chain) = self.device_queue.take()
        {
            self.is_interrupting |= self.carry_out(&chain);
            count += 1;
        }
        count
    }

    /// Carries out a request. Returns whether the driver requests an interrupt.
    fn carry_out(&mut self, chain: &TakenChain) -> bool {
        let [header, data @ .., status] = &chain.segments[..] else { panic!("a header and a status") };
        let bytes = self.device_queue.read(header.address, 16);
        let kind = u32::from_le_bytes(bytes[..4].try_into().expect("4 bytes"));
        let mut start = usize::from_le_bytes(bytes[8..].try_into().expect("8 bytes")) * SECTOR_SIZE;
        let mut written = 1;
        for piece in data {
            let range = start..start + piece.length as usize;
            start = range.end;
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
fn writes_are_read_back() {
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
fn invalid_requests_are_not_submitted() {
    let (driver, _disk) = disk(1 << 5);
    let nothing = || panic!("a request was submitted");
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
fn errors_of_the_device_name_the_sector() {
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
fn a_short_read_is_an_error() {
    let (driver, mut disk) = disk(0);
    let outcome = run(driver.read(7, &mut [0; SECTOR_SIZE]), || {
        let chain = disk.device_queue.take().expect("a request");
        disk.device_queue.write(chain.segments[2].address, &[0]);
        disk.device_queue.complete(chain.head.into(), 512);
        disk.machine.send(disk.address, 0).expect("messages are on");
    });
    assert_eq!(outcome, Err(BlockError::Io { sector: 7 }));
}
