//! Tests of a faulty device, and of changes that it reports.

use core::pin::pin;
use core::task::Context;

use super::*;

#[test]
fn a_faulty_device_is_quarantined_and_all_requests_fail() {
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
        "bus mastering is off, even if the device ignores the reset"
    );
    let quarantined = Poll::Ready(Err(BlockError::Quarantined { sector: 2 }));
    assert_eq!(Future::poll(second.as_mut(), &mut context), quarantined);
    assert_eq!(run(driver.flush(), || {}), Ok(()));
    let third = run(driver.read(3, &mut [0; SECTOR_SIZE]), || panic!("a request was submitted"));
    assert_eq!(third, Err(BlockError::Quarantined { sector: 3 }));
}

#[test]
fn a_fatal_error_of_the_device_ends_all_requests() {
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
fn a_new_capacity_is_reported() {
    let (driver, disk) = disk(0);
    assert_eq!(driver.capacity(), SECTORS as u64);
    disk.machine.write_register(disk.address, 0, DEVICE + 4, 1);
    assert_eq!(driver.capacity(), SECTORS as u64, "the capacity is read only after an interrupt");
    disk.machine.send(disk.address, 1).expect("messages are on");
    assert_eq!(driver.capacity(), SECTORS as u64 | 1 << 32);
}

#[test]
fn a_disk_whose_messages_are_lost_is_served_by_the_watch() {
    let (driver, mut disk) = disk(0);
    let machine = disk.machine.clone();
    let look = || {
        machine.advance_ns(machine.machine().check_interrupts());
        machine.deliver_raised();
    };
    for sector in 0..5 {
        let (waker, wakes) = waker();
        let mut context = Context::from_waker(&waker);
        let mut buffer = [0; SECTOR_SIZE];
        let mut read = pin!(driver.read(sector, &mut buffer));
        assert!(Future::poll(read.as_mut(), &mut context).is_pending());
        assert_eq!(disk.work_on(usize::MAX), 1);
        assert!(core::mem::take(&mut disk.is_interrupting), "a message was requested");
        let mut looks = 0;
        while wakes.count() == 0 {
            looks += 1;
            assert!(looks <= 3, "no call in place of the message");
            look();
        }
        assert_eq!(Future::poll(read.as_mut(), &mut context), Poll::Ready(Ok(())));
        look();
    }
    let report = machine.machine().interrupt_report();
    let done = report.iter().find(|row| row.names.contains(&"Done")).expect("a message");
    assert!(done.is_polled && done.polled == 5 && done.stalled.is_none(), "{done:?}");
}

#[test]
fn a_disk_that_finishes_no_request_is_reported() {
    let (driver, disk) = disk(0);
    let (waker, _) = waker();
    let mut buffer = [0; SECTOR_SIZE];
    let mut read = pin!(driver.read(1, &mut buffer));
    assert!(Future::poll(read.as_mut(), &mut Context::from_waker(&waker)).is_pending());
    for _ in 0..7 {
        disk.machine.advance_ns(disk.machine.machine().check_interrupts());
    }
    let functions = disk.machine.machine().functions();
    assert_eq!(functions[0].faults[0].to_string(), "1 request does not finish (Done)");
}
