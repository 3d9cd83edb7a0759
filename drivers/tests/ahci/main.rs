//! Tests of the AHCI driver on a model of the controller: transfers, order, errors, time limits, disks that come and go.

mod model;

use core::task::{Context, Poll, Waker};

use embassy_futures::block_on;
use model::{BLOCKS, Behaviour, Model};
use switchboard::driver::{ProbeError, attach};
use switchboard::interrupt::ModePolicy;
use switchboard_drivers::ahci::{Ahci, AhciDisk};
use switchboard_drivers::interfaces::block::{BlockDevice, BlockError, DiskController};
use switchboard_testing::{run_while, start_future};

fn probe(model: &Model) -> Result<Ahci, ProbeError> {
    attach(model.fake.machine().take(model.address).expect("a function that no driver has"))
}

fn disk_by(policy: ModePolicy, behaviour: Behaviour) -> (Model, Ahci, AhciDisk) {
    let model = Model::new(policy, behaviour);
    let mut controller = probe(&model).expect("a good controller");
    let disk = controller.next_disk().expect("a disk");
    (model, controller, disk)
}

fn disk(behaviour: Behaviour) -> (Model, Ahci, AhciDisk) {
    disk_by(ModePolicy::all(), behaviour)
}

/// Runs a future while the controller works.
fn run<T>(model: &Model, future: impl Future<Output = T>) -> T {
    run_while(future, || model.work())
}

#[test]
fn transfers_arrive_queued_or_not_in_each_mode() {
    for (policy, block_bits, has_ncq) in [
        (ModePolicy::MSI, 9, true),
        (ModePolicy::INTX, 9, true),
        (ModePolicy::all(), 12, true),
        (ModePolicy::all(), 9, false),
    ] {
        let (model, _controller, disk) = disk_by(policy, Behaviour { block_bits, has_ncq, ..Behaviour::default() });
        let block = 1 << block_bits;
        let geometry = disk.geometry().expect("it is present");
        assert_eq!((geometry.block_bytes, geometry.capacity * 512), (block, BLOCKS * block as u64));
        for bytes in [block, 4096, 65536, 65536 + block] {
            let at = 3 * (block / 512) as u64;
            let mut read = vec![0; bytes];
            assert_eq!(run(&model, disk.read(at, &mut read)), Ok(()));
            assert!(read.iter().enumerate().all(|(index, byte)| usize::from(*byte) == 3 + index / block), "{bytes}");
            read.iter_mut().for_each(|byte| *byte ^= 0xff);
            assert_eq!(run(&model, disk.write(at, &read)), Ok(()));
            assert!((3 * block..).zip(&read).all(|(at, byte)| model.byte(at) == *byte), "{bytes}");
            read.iter_mut().for_each(|byte| *byte ^= 0xff);
            assert_eq!(run(&model, disk.write(at, &read)), Ok(()));
        }
        let (read, write) = if has_ncq { (0x60, 0x61) } else { (0x25, 0x35) };
        assert!(model.opcodes().iter().all(|opcode| [read, write].contains(opcode)));
    }
}

#[test]
fn a_flush_comes_after_the_writes_before_it() {
    let (model, _controller, disk) = disk(Behaviour { is_stalled: true, ..Behaviour::default() });
    let data = [7; 512];
    let writes = [1, 2, 3].map(|at| start_future(disk.write(at, &data)));
    let flush = start_future(disk.flush());
    let after = start_future(disk.write(4, &data));
    model.work();
    assert_eq!(model.opcodes(), [], "the device has not finished the writes");
    model.change(|behaviour| behaviour.is_stalled = false);
    for write in writes {
        assert_eq!(run(&model, write), Ok(()));
    }
    assert_eq!((run(&model, flush), run(&model, after)), (Ok(()), Ok(())));
    assert_eq!(model.opcodes(), [0x61, 0x61, 0x61, 0xea, 0x61]);
}

#[test]
fn a_discard_is_a_trim_of_ranges() {
    let (model, _controller, disk) = disk(Behaviour::default());
    assert_eq!(run(&model, disk.discard(8, 100)), Ok(()));
    let (ranges, rest) = (model.ranges()[..8].to_vec(), model.ranges()[8..].to_vec());
    assert_eq!((ranges, rest), ((8_u64 | 100 << 48).to_le_bytes().to_vec(), vec![0; 504]));
    assert_eq!(run(&model, disk.write_zeroes(8, 1)), Err(BlockError::Unsupported { sector: 8 }));
}

#[test]
fn an_error_is_that_of_the_request_that_failed() {
    for (has_ncq, has_log) in [(true, true), (true, false), (false, true)] {
        let bad_blocks = vec![9, 20];
        let (model, _controller, disk) = disk(Behaviour { has_ncq, has_log, bad_blocks, ..Behaviour::default() });
        model.change(|behaviour| behaviour.is_stalled = true);
        let mut buffers = vec![[0; 512]; 24];
        let reads: Vec<_> =
            buffers.iter_mut().zip(0..).map(|(buffer, at)| start_future(disk.read(at, buffer))).collect();
        model.change(|behaviour| behaviour.is_stalled = false);
        for (read, sector) in reads.into_iter().zip(0..) {
            let wanted = if [9, 20].contains(&sector) { Err(BlockError::Io { sector }) } else { Ok(()) };
            assert_eq!(run(&model, read), wanted, "sector {sector}, log: {has_log}");
        }
        assert!(buffers[8] == [8; 512] && buffers[21] == [21; 512]);
        assert_eq!(run(&model, disk.read(1, &mut [0; 512])), Ok(()));
    }
}

#[test]
fn a_request_that_takes_too_long_ends_and_the_device_is_reset() {
    let (model, _controller, disk) = disk(Behaviour { is_stalled: true, ..Behaviour::default() });
    let mut buffer = [0; 512];
    let late = start_future(disk.read(3, &mut buffer));
    (0..31).for_each(|_| assert_eq!(disk.check_timeouts(), Some(1_000_000_000)));
    assert_eq!(run(&model, late), Err(BlockError::TimedOut { sector: 3 }));
    model.change(|behaviour| behaviour.is_stalled = false);
    assert_eq!(run(&model, disk.read(4, &mut [0; 512])), Ok(()));
    // Again and again: the disk is quarantined.
    model.change(|behaviour| behaviour.is_stalled = true);
    let mut outcomes = Vec::new();
    for _ in 0..10 {
        let mut buffer = [0; 512];
        let mut read = Box::pin(disk.read(3, &mut buffer));
        let mut poll = || read.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        let mut outcome = poll();
        if outcome.is_pending() {
            (0..31).for_each(|_| _ = disk.check_timeouts());
            outcome = poll();
        }
        outcomes.push(outcome);
    }
    assert_eq!(outcomes[0], Poll::Ready(Err(BlockError::TimedOut { sector: 3 })));
    assert_eq!(outcomes[9], Poll::Ready(Err(BlockError::Quarantined { sector: 3 })));
}

#[test]
fn a_command_that_was_not_submitted_quarantines_the_disk() {
    let (model, _controller, disk) = disk(Behaviour::default());
    model.change(|behaviour| behaviour.foreign = 1 << 13);
    assert_eq!(run(&model, disk.read(7, &mut [0; 512])), Err(BlockError::Quarantined { sector: 7 }));
    assert_eq!(run(&model, disk.read(8, &mut [0; 512])), Err(BlockError::Quarantined { sector: 8 }));
}

#[test]
fn disks_are_removed_and_plugged_in() {
    let (model, mut controller, disk) = disk(Behaviour::default());
    let mut change = || controller.poll_change(&mut Context::from_waker(Waker::noop()));
    while change().is_ready() {}
    model.change(|behaviour| behaviour.is_stalled = true);
    let mut buffer = [0; 512];
    let read = start_future(disk.read(7, &mut buffer));
    model.unplug();
    assert_eq!(run(&model, read), Err(BlockError::Gone { sector: 7 }));
    assert_eq!((disk.geometry(), change()), (None, Poll::Ready(0)));
    assert!(controller.next_disk().is_none());
    model.plug();
    assert!(controller.next_disk().is_none(), "the disk that was removed is still with its user");
    drop(disk);
    model.change(|behaviour| behaviour.is_stalled = false);
    let disk = (0..10_000).find_map(|_| controller.next_disk()).expect("another disk");
    assert_eq!(run(&model, disk.read(7, &mut [0; 512])), Ok(()));
}

#[test]
fn everything_is_freed_when_the_last_disk_is_dropped() {
    let (model, controller, disk) = disk(Behaviour::default());
    assert_eq!(run(&model, disk.read(0, &mut [0; 4096])), Ok(()));
    drop((controller, disk));
    assert_eq!((model.fake.dma_pages(), model.fake.machine().interrupt_report().len()), (0, 0));
    let mut controller = probe(&model).expect("it can be probed again");
    let disk = controller.next_disk().expect("a disk");
    disk.close();
    assert_eq!(block_on(disk.read(0, &mut [0; 512])), Err(BlockError::Gone { sector: 0 }));
}

#[test]
fn a_controller_without_disks_is_left_alone() {
    let model = Model::new(ModePolicy::all(), Behaviour::default());
    model.unplug();
    assert_eq!(probe(&model).expect_err("no disk"), ProbeError::LeftAlone("no disk is connected"));
}
