//! Commands that take too long and controllers that fail: abort, reset, quarantine. No request is lost without an error.

use core::task::{Context, Waker};

use switchboard_drivers::interfaces::block::{BlockDevice, BlockError};
use switchboard_drivers::nvme::Nvme;
use switchboard_testing::start_future;

use crate::model::{Behaviour, Model};
use crate::{disk, run};

const READ: u8 = 2;

/// Lets time pass, with a check each second or as often as the driver requests. Returns whether it wants more checks.
fn pass(model: &Model, disk: &Nvme, seconds: u64) -> bool {
    let mut left_ns = seconds * 1_000_000_000;
    loop {
        model.work();
        let Some(next_ns) = disk.check_timeouts() else { return false };
        model.work();
        if left_ns == 0 {
            return true;
        }
        let step_ns = next_ns.min(left_ns);
        model.fake.advance_ns(step_ns);
        left_ns -= step_ns;
    }
}

/// A request that hangs, beside `others` that are submitted when the first is nearly late. Returns the outcomes.
fn outcomes(model: &Model, disk: &Nvme) -> (Result<(), BlockError>, Result<(), BlockError>) {
    model.change(|behaviour| behaviour.hangs = Some(READ));
    let (mut buffer, mut other) = ([0; 512], [0; 512]);
    let mut late = start_future(disk.read(7, &mut buffer));
    let mut context = Context::from_waker(Waker::noop());
    assert!(pass(model, disk, 9));
    model.change(|behaviour| behaviour.hangs = None);
    model.change(|behaviour| behaviour.is_stalled = true);
    let young = start_future(disk.read(8, &mut other));
    assert!(late.as_mut().poll(&mut context).is_pending(), "not late yet");
    pass(model, disk, 8);
    model.change(|behaviour| behaviour.is_stalled = false);
    let late = run(model, late);
    let young = run(model, young);
    if young.is_ok() {
        assert_eq!(other, [8; 512]);
    }
    (late, young)
}

#[test]
fn a_late_command_is_aborted() {
    let (model, disk) = disk(Behaviour { can_abort: true, ..Behaviour::default() });
    assert_eq!(outcomes(&model, &disk), (Err(BlockError::TimedOut { sector: 7 }), Ok(())));
    assert_eq!(model.starts(), 1, "no reset");
    assert_eq!(run(&model, disk.read(9, &mut [0; 512])), Ok(()));
}

#[test]
fn a_controller_that_does_not_abort_is_reset_and_other_requests_are_done() {
    let (model, disk) = disk(Behaviour::default());
    assert_eq!(outcomes(&model, &disk), (Err(BlockError::TimedOut { sector: 7 }), Ok(())));
    assert_eq!(model.starts(), 2);
    for sector in 0..200 {
        assert_eq!(run(&model, disk.read(sector, &mut [0; 512])), Ok(()));
        assert_eq!(run(&model, disk.write(sector, &[0; 512])), Ok(()));
    }
    // Events are requested again.
    model.change(|behaviour| behaviour.blocks = 100);
    model.report_event(0x04_00_02);
    assert_eq!(disk.capacity(), 100);
}

#[test]
fn a_controller_that_stays_off_is_quarantined() {
    let (model, disk) = disk(Behaviour { stays_off: true, ..Behaviour::default() });
    let quarantined = |sector| Err(BlockError::Quarantined { sector });
    assert_eq!(outcomes(&model, &disk), (quarantined(7), quarantined(8)));
    assert_eq!(model.fake.read_config(model.address, 4) & 4, 0, "bus mastering is off");
    assert_eq!(run(&model, disk.read(9, &mut [0; 512])), quarantined(9));
    assert_eq!(disk.check_timeouts(), None);
}

#[test]
fn a_fatal_error_resets_the_controller_and_no_request_fails() {
    let (model, disk) = disk(Behaviour { is_stalled: true, ..Behaviour::default() });
    let mut buffers = vec![[0; 512]; 20];
    let requests: Vec<_> =
        buffers.iter_mut().enumerate().map(|(index, buffer)| start_future(disk.read(index as u64, buffer))).collect();
    model.change(|behaviour| behaviour.is_fatal = true);
    // A request that begins during the reset.
    model.work();
    assert!(disk.check_timeouts().is_some());
    let write = start_future(disk.write(40, &[0xee; 512]));
    assert!(pass(&model, &disk, 2));
    model.change(|behaviour| behaviour.is_stalled = false);
    for request in requests {
        assert_eq!(run(&model, request), Ok(()));
    }
    assert_eq!(run(&model, write), Ok(()));
    assert_eq!((model.starts(), model.byte(40 * 512)), (2, 0xee));
    assert!(buffers.iter().enumerate().all(|(index, buffer)| buffer.iter().all(|byte| usize::from(*byte) == index)));
}

#[test]
fn a_controller_that_fails_again_and_again_is_quarantined() {
    let (model, disk) = disk(Behaviour { is_stalled: true, ..Behaviour::default() });
    let mut buffer = [0; 512];
    let read = start_future(disk.read(3, &mut buffer));
    let mut fatal_errors = 0;
    loop {
        model.change(|behaviour| behaviour.is_fatal = true);
        fatal_errors += 1;
        if !pass(&model, &disk, 2) {
            break;
        }
    }
    assert_eq!((fatal_errors, run(&model, read)), (4, Err(BlockError::Quarantined { sector: 3 })));
}

#[test]
fn time_without_checks_does_not_count() {
    let (model, disk) = disk(Behaviour { is_stalled: true, ..Behaviour::default() });
    let mut buffer = [0; 512];
    let read = start_future(disk.read(3, &mut buffer));
    // The machine was paused for an hour.
    model.fake.advance_ns(3_600_000_000_000);
    assert!(pass(&model, &disk, 3));
    model.change(|behaviour| behaviour.is_stalled = false);
    assert_eq!((run(&model, read), model.starts()), (Ok(()), 1));
}
