//! Tests of the xHCI driver on a model of the controller: a keyboard, a stick, errors, time limits, violations, removal.

mod model;

use core::task::{Context, Poll, Waker};

use model::devices::BLOCKS;
use model::{Behaviour, Model, Violation};
use switchboard::driver::{ProbeError, attach};
use switchboard::interrupt::{Mode, ModePolicy};
use switchboard_drivers::interfaces::block::{BlockDevice, BlockError, DiskController};
use switchboard_drivers::interfaces::keyboard::{Key, KeyboardController, KeyboardDevice};
use switchboard_drivers::usb::UsbError;
use switchboard_drivers::xhci::{Xhci, XhciDisk, XhciKeyboard};
use switchboard_testing::{run_while, start_future};

fn probe(model: &Model) -> Result<Xhci, ProbeError> {
    attach(model.fake.machine().take(model.address).expect("a function that no driver has"))
}

fn attached_by(policy: ModePolicy, behaviour: Behaviour) -> (Model, Xhci, XhciKeyboard, XhciDisk) {
    let model = Model::new(policy, behaviour);
    let mut controller = probe(&model).expect("a good controller");
    let (keyboard, stick) = (controller.next_keyboard().expect("a keyboard"), controller.next_disk().expect("a stick"));
    (model, controller, keyboard, stick)
}

fn attached(behaviour: Behaviour) -> (Model, Xhci, XhciKeyboard, XhciDisk) {
    attached_by(ModePolicy::all(), behaviour)
}

/// Runs a future while the controller works.
fn run<T>(model: &Model, future: impl Future<Output = T>) -> T {
    run_while(future, || model.work())
}

/// Lets the driver look after its ports, for a time.
fn step(model: &Model, controller: &mut Xhci, milliseconds: u64) {
    for _ in 0..milliseconds {
        let _ = controller.poll_change(&mut Context::from_waker(Waker::noop()));
        model.fake.advance_ns(1_000_000);
        model.work();
    }
}

#[test]
fn transfers_arrive_in_each_mode_with_contexts_of_both_sizes() {
    for (policy, mode) in
        [(ModePolicy::all(), Mode::Msix), (ModePolicy::MSI, Mode::Msi), (ModePolicy::INTX, Mode::Intx)]
    {
        for are_contexts_64_bytes in [false, true] {
            let behaviour = Behaviour { are_contexts_64_bytes, ..Behaviour::default() };
            let (model, controller, mut keyboard, stick) = attached_by(policy, behaviour);
            assert_eq!((controller.mode(), stick.capacity()), (mode, BLOCKS));
            for round in 0..100 {
                model.press(4 + round % 20);
                let event = run(&model, keyboard.next_event()).expect("it is present");
                assert_eq!((event.key, event.is_pressed), (Key(4 + round % 20), true));
                assert!(run(&model, keyboard.next_event()).is_ok_and(|event| !event.is_pressed));
            }
            for bytes in [512, 4096, 65536, 65536 + 512] {
                let mut data = vec![0; bytes];
                assert_eq!(run(&model, stick.read(3, &mut data)), Ok(()));
                assert!(data.chunks(512).zip(3..).all(|(block, at)| block == [at; 512]));
                data.iter_mut().for_each(|byte| *byte ^= 0xff);
                assert_eq!(run(&model, stick.write(3, &data)), Ok(()));
                assert!((3 * 512..).zip(&data).all(|(at, byte)| model.byte(at) == *byte));
                data.iter_mut().for_each(|byte| *byte ^= 0xff);
                assert_eq!(run(&model, stick.write(3, &data)), Ok(()));
            }
            assert_eq!(run(&model, stick.flush()), Ok(()));
            drop((controller, keyboard, stick));
            assert_eq!((model.fake.dma_pages(), model.fake.machine().interrupt_report().len()), (0, 0));
        }
    }
}

#[test]
fn an_endpoint_that_is_halted_transfers_again() {
    let (model, _controller, _keyboard, stick) = attached(Behaviour { bad_block: Some(9), ..Behaviour::default() });
    for _ in 0..10 {
        assert_eq!(run(&model, stick.read(9, &mut [0; 512])), Err(BlockError::Io { sector: 9 }));
        assert_eq!(run(&model, stick.read(8, &mut [0; 512])), Ok(()));
    }
    model.change(|behaviour| behaviour.has_invalid_status = true);
    assert_eq!(run(&model, stick.read(8, &mut [0; 512])), Err(BlockError::Io { sector: 8 }));
    model.change(|behaviour| behaviour.has_invalid_status = false);
    assert_eq!(run(&model, stick.read(8, &mut [0; 512])), Ok(()));
}

#[test]
fn a_request_that_takes_too_long_ends() {
    let (model, _controller, _keyboard, stick) = attached(Behaviour::default());
    model.change(|behaviour| behaviour.ignores_bulk = true);
    let mut buffer = [0; 512];
    let read = start_future(stick.read(3, &mut buffer));
    model.fake.advance_ns(31_000_000_000);
    assert!(stick.check_timeouts().is_some());
    assert_eq!(run(&model, read), Err(BlockError::TimedOut { sector: 3 }));
    model.change(|behaviour| behaviour.ignores_bulk = false);
    assert_eq!(run(&model, stick.read(4, &mut [0; 512])), Ok(()));
}

#[test]
fn devices_are_unplugged_and_plugged_in() {
    let (model, mut controller, mut keyboard, mut stick) = attached(Behaviour::default());
    for round in 0..20 {
        model.plug(1, false);
        model.plug(2, false);
        step(&model, &mut controller, 5);
        assert_eq!(run(&model, keyboard.next_event()), Err(UsbError::Gone), "round {round}");
        assert_eq!(run(&model, stick.read(7, &mut [0; 512])), Err(BlockError::Gone { sector: 7 }));
        assert_eq!((stick.geometry(), controller.next_disk().is_none()), (None, true));
        model.plug(1, true);
        model.plug(2, true);
        step(&model, &mut controller, 400);
        keyboard = controller.next_keyboard().expect("another keyboard");
        stick = controller.next_disk().expect("another stick");
        assert_eq!(run(&model, stick.read(7, &mut [0; 512])), Ok(()));
    }
}

#[test]
fn a_controller_that_violates_its_specification_is_reset_and_then_quarantined() {
    for violation in [Violation::ForeignTransfer, Violation::Residual, Violation::ForeignCommand] {
        // From the start.
        let model = Model::new(ModePolicy::all(), Behaviour { violation: Some(violation), ..Behaviour::default() });
        assert!(probe(&model).is_err(), "{violation:?}");
        assert_eq!((model.fake.dma_pages(), model.fake.machine().interrupt_report().len()), (0, 0));
        // Later, and again and again.
        let (model, mut controller, _keyboard, stick) = attached(Behaviour::default());
        let resets = model.resets();
        model.change(|behaviour| behaviour.violation = Some(violation));
        let mut buffer = [0; 512];
        let mut read = Box::pin(stick.read(7, &mut buffer));
        let first = read.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        model.plug(1, false);
        model.plug(1, true);
        for _ in 0..20 {
            step(&model, &mut controller, 100);
            // It also looks for errors that are not reported.
            model.fake.machine().check_interrupts();
        }
        assert_eq!(model.resets() - resets, 3, "{violation:?}");
        let outcome = match first {
            Poll::Ready(outcome) => outcome,
            Poll::Pending => run(&model, read),
        };
        let is_over = matches!(outcome, Ok(()) | Err(BlockError::Gone { .. } | BlockError::Quarantined { .. }));
        assert!(is_over, "{violation:?}: {outcome:?}");
    }
}

#[test]
fn a_controller_that_was_reset_once_finds_its_devices_again() {
    let (model, mut controller, mut keyboard, stick) = attached(Behaviour::default());
    model.change(|behaviour| behaviour.violation = Some(Violation::ForeignTransfer));
    assert!(matches!(run(&model, stick.read(7, &mut [0; 512])), Err(BlockError::Gone { .. })));
    model.change(|behaviour| behaviour.violation = None);
    step(&model, &mut controller, 400);
    assert_eq!(run(&model, keyboard.next_event()), Err(UsbError::Gone));
    let stick = controller.next_disk().expect("the stick");
    assert_eq!(run(&model, stick.read(7, &mut [0; 512])), Ok(()));
    assert!(controller.next_keyboard().is_some());
}

#[test]
fn a_controller_without_an_end_of_commands_is_quarantined() {
    let (model, mut controller, _keyboard, stick) = attached(Behaviour::default());
    model.change(|behaviour| behaviour.ignores_commands = true);
    model.plug(1, false);
    for _ in 0..100 {
        step(&model, &mut controller, 3);
        model.fake.advance_ns(1_000_000_000);
    }
    assert_eq!(run(&model, stick.read(7, &mut [0; 512])), Err(BlockError::Quarantined { sector: 7 }));
}
