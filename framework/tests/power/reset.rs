//! Resets: each method, each delay, and functions that do not return.

use switchboard::function::{Function, ResetError, ResetMethod, SettleError, Settled};

use crate::device::{BAR0, Behaviour, COMMAND, DEVICE_CONTROL, Device, INTERRUPT, here, pass, take};

const MILLISECOND: u64 = 1_000_000;
const DECODE: u32 = 3;
const INTX_DISABLE: u32 = 0x400;

/// Resets a function that firmware has set up, and checks that its configuration is restored.
fn check_reset(behaviour: Behaviour, method: ResetMethod) -> (&'static Device, Function) {
    let (device, machine) = Device::start(behaviour);
    device.set_word(DEVICE_CONTROL, 0x2810);
    device.set_word(COMMAND, DECODE | 4);
    let (bar, line) = (device.bar(), device.word(INTERRUPT));
    assert!(bar != 0 && line == 0x010a, "{bar:#x} {line:#x}");
    let function = take(machine);
    assert_eq!(function.reset_method(), Some(method));
    let function = function.reset().expect("it offers a reset").wait().expect("it comes back");
    assert_eq!(device.resets(), 1);
    assert!(!device.was_touched_too_early());
    assert_eq!((device.bar(), device.word(INTERRUPT)), (bar, line));
    assert_eq!(device.word(DEVICE_CONTROL), 0x2810);
    assert_eq!(device.word(COMMAND), DECODE | INTX_DISABLE, "it decodes, and does not master the bus");
    (device, function)
}

#[test]
fn every_method_restores_the_configuration() {
    let none = Behaviour { has_express_reset: false, ..Behaviour::default() };
    for (behaviour, method) in [
        (Behaviour::default(), ResetMethod::FunctionLevel),
        (
            Behaviour { while_away: 1, back_after: 700 * MILLISECOND, ..Behaviour::default() },
            ResetMethod::FunctionLevel,
        ),
        (Behaviour { has_af_reset: true, ..none }, ResetMethod::AdvancedFeatures),
        (none, ResetMethod::Power),
    ] {
        let (_, function) = check_reset(behaviour, method);
        let resources = function.claim().expect("an endpoint");
        assert!(resources.bar0.facts().is_some());
    }
}

#[test]
fn claiming_and_releasing_do_not_reset() {
    let (device, machine) = Device::start(Behaviour::default());
    drop(take(machine).claim().expect("an endpoint"));
    drop(take(machine).claim().expect("an endpoint"));
    assert_eq!(device.resets(), 0);
}

#[test]
fn pending_transactions_are_awaited_with_a_timeout() {
    for (pending, wanted) in [(20, 20), (30_000, 100)] {
        let behaviour = Behaviour { pending_for: pending * MILLISECOND, ..Behaviour::default() };
        let (device, machine) = Device::start(behaviour);
        let before = machine.clock().now_ns();
        let function = take(machine).reset().expect("a reset").wait().expect("it comes back");
        let waited = (device.reset_at() - before) / MILLISECOND;
        assert!((wanted..wanted + 5).contains(&waited), "{waited} ms of {wanted}");
        drop(function);
    }
}

#[test]
fn a_function_without_a_reset_is_returned_unchanged() {
    let behaviour = Behaviour { has_express_reset: false, keeps_state: true, ..Behaviour::default() };
    let (device, machine) = Device::start(behaviour);
    let before = device.word(COMMAND);
    let (error, function) = take(machine).reset().expect_err("nothing is offered");
    assert_eq!(error, ResetError::NotOffered { address: here(), has_power: true });
    assert!(error.to_string().contains("sleep does not clear its state"), "{error}");
    assert_eq!((function.reset_method(), device.word(COMMAND)), (None, before));
    let (_, machine) = Device::start(Behaviour { has_power: false, ..behaviour });
    let (error, _) = take(machine).reset().expect_err("nothing is offered");
    assert_eq!(error, ResetError::NotOffered { address: here(), has_power: false });
}

#[test]
fn a_function_that_does_not_return_is_an_error_after_a_second() {
    for found in [0xffff, 1] {
        let behaviour = Behaviour { back_after: u64::MAX, while_away: found, ..Behaviour::default() };
        let (device, machine) = Device::start(behaviour);
        let error = take(machine).reset().expect("a reset").wait().expect_err("it is gone");
        let found = u16::try_from(found).expect("a word");
        assert_eq!(error, SettleError::Absent { address: here(), wanted: 0x1234, found });
        let waited = (machine.clock().now_ns() - device.reset_at()) / MILLISECOND;
        assert!((1000..1100).contains(&waited), "{waited} ms");
        assert!(machine.take(here()).is_none() && machine.functions().is_empty(), "it is gone");
    }
}

#[test]
fn a_function_that_loses_its_bars_is_not_returned() {
    let (device, machine) = Device::start(Behaviour { loses_bars_for_good: true, ..Behaviour::default() });
    let wanted = (device.bar() & !0xf).into();
    let error = take(machine).reset().expect("a reset").wait().expect_err("its BAR is lost");
    let SettleError::Bar(lost) = error else { panic!("{error}") };
    assert_eq!((lost.address, lost.index, lost.wanted, lost.found), (here(), 0, wanted, 0));
    assert_eq!((device.word(COMMAND) & DECODE, device.word(BAR0)), (0, 0));
    let refusal = take(machine).claim().expect_err("it is still lost").to_string();
    assert_eq!(refusal, lost.to_string());
}

#[test]
fn a_task_can_wait_by_a_timer() {
    let (device, machine) = Device::start(Behaviour::default());
    let mut settling = take(machine).reset().expect("a reset");
    let mut polls = 0;
    let function = loop {
        polls += 1;
        // A presence check meanwhile does not take the function for removed.
        assert_eq!(machine.check_presence(), 0);
        match settling.poll().expect("it comes back") {
            Settled::Ready(function) => break function,
            Settled::NotYet(next) => settling = next,
        }
        // As a timer would.
        pass(machine, settling.remaining_ns());
    };
    assert!(polls <= 4, "{polls}");
    assert_eq!((device.resets(), function.address()), (1, here()));
}
