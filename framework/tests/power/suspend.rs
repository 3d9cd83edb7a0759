//! Suspend to D3hot, and resume by request or by a claim.

use switchboard::function::{ClaimError, PowerState, SettleError, SuspendError};

use crate::device::{Behaviour, COMMAND, Device, POWER, here, pass, take};

const DECODE: u32 = 3;
const INTX_DISABLE: u32 = 0x400;
const MILLISECOND: u64 = 1_000_000;

#[test]
fn a_suspended_function_resumes_with_its_configuration() {
    for keeps_state in [false, true] {
        let (device, machine) = Device::start(Behaviour { keeps_state, ..Behaviour::default() });
        let bar = device.bar();
        device.set_word(COMMAND, DECODE);
        let function = take(machine);
        assert_eq!(function.power_state(), PowerState::D0);
        let sleeping = function.suspend().expect("it can sleep");
        assert!(machine.take(here()).is_none(), "a suspended function is taken");
        pass(machine, 10 * MILLISECOND);
        assert_eq!(sleeping.power_state(), PowerState::D3Hot);
        assert_eq!(device.word(COMMAND) & (DECODE | 4), 0);
        let function = sleeping.resume().wait().expect("it wakes");
        assert_eq!(function.power_state(), PowerState::D0);
        assert_eq!(device.resets(), u32::from(!keeps_state));
        assert_eq!((device.bar(), device.word(COMMAND)), (bar, DECODE | INTX_DISABLE));
        assert!(!device.was_touched_too_early());
    }
}

#[test]
fn a_claim_wakes_a_function_that_firmware_suspended() {
    for state in [1, 2, 3] {
        let (device, machine) = Device::start(Behaviour::default());
        let bar = device.bar();
        device.set_word(POWER + 4, state);
        // Firmware did that more than the recovery time ago.
        pass(machine, 10 * MILLISECOND);
        let resources = take(machine).claim().expect("it wakes");
        assert_eq!((device.word(POWER + 4) & 3, device.bar()), (0, bar));
        assert_eq!(device.word(COMMAND), DECODE | INTX_DISABLE);
        assert!(!device.was_touched_too_early());
        drop(resources);
    }
}

#[test]
fn a_claim_of_a_function_in_d0_does_not_wait() {
    let (_, machine) = Device::start(Behaviour::default());
    let before = machine.clock().now_ns();
    drop(take(machine).claim().expect("an endpoint"));
    assert!(machine.clock().now_ns() - before < MILLISECOND);
}

#[test]
fn a_function_that_does_not_wake_is_an_error() {
    let (device, machine) = Device::start(Behaviour { sleeps_for_good: true, ..Behaviour::default() });
    device.set_word(POWER + 4, 3);
    let asleep = SettleError::Asleep { address: here(), state: PowerState::D3Hot };
    assert_eq!(take(machine).claim().map(drop), Err(ClaimError::Settle(asleep)));
    let sleeping = take(machine).suspend().expect("it sleeps");
    assert_eq!(sleeping.resume().wait().map(drop), Err(asleep));
}

#[test]
fn a_function_without_power_states_is_returned_with_an_error() {
    let (_, machine) = Device::start(Behaviour { has_power: false, ..Behaviour::default() });
    let (error, function) = take(machine).suspend().expect_err("it cannot");
    assert_eq!(error, SuspendError::NotOffered { address: here() });
    assert_eq!(function.power_state(), PowerState::D0);
}
