//! Tests of the selection of an interrupt mode, and of the errors when none is granted.

use std::sync::Arc;

use switchboard::interrupt::{GrantError, LineAsMessage, Mode, ModePolicy};
use switchboard_testing::FakeMachine;

use crate::{Shared, address, nic, port};

#[test]
fn a_claimed_function_has_its_interrupts_disabled() {
    let fake = FakeMachine::new([nic().msi(4).msix(4, 1, 0, 0x800)]);
    assert_eq!(fake.mode(address(3)), Some(Mode::Intx), "INTx is enabled after reset");
    let irq = port(&fake, 3);
    assert_eq!(fake.mode(address(3)), None);
    assert_eq!(irq.offers().to_string(), "INTA, MSI 4, MSI-X 4");
}

#[test]
fn msix_is_preferred_to_msi_and_msi_to_the_line() {
    let functions = [nic().msi(4).msix(4, 1, 0, 0x800), nic().msi(4), nic()];
    for (function, mode) in functions.into_iter().zip([Mode::Msix, Mode::Msi, Mode::Intx]) {
        let fake = FakeMachine::new([function]);
        let live = port(&fake, 3).grant().unwrap().register(Shared::raising(0)).unmask();
        assert_eq!((live.mode(), fake.mode(address(3))), (mode, Some(mode)));
        assert_eq!(fake.machine().functions()[0].mode, Some(mode));
    }
}

#[test]
fn a_forced_mode_is_the_only_one() {
    let fake = FakeMachine::with_policy(ModePolicy::MSIX, [nic().msi(1)]);
    let (error, _port) = port(&fake, 3).grant::<3, Shared>().unwrap_err();
    assert!(matches!(error, GrantError::NoMode { .. }));
    assert_eq!(
        error.to_string(),
        "no interrupt mode fits: the function offers INTA, MSI 1, MSI-X 0; the machine permits msix"
    );
}

#[test]
fn a_driver_may_prefer_a_mode_and_require_a_minimum() {
    let all = || FakeMachine::new([nic().msi(2).msix(4, 1, 0, 0x800)]);
    for mode in [Mode::Msix, Mode::Msi, Mode::Intx] {
        let fake = all();
        assert_eq!(port(&fake, 3).prefer(mode).grant::<3, Shared>().unwrap().mode(), mode);
    }
    let fake = all();
    fake.machine().limit_vectors(2);
    let (error, port) = port(&fake, 3).min_vectors(3).grant_messages::<3, Shared>().unwrap_err();
    assert_eq!(error.to_string(), "3 vectors are the driver's minimum, 2 can be granted");
    assert_eq!(port.grant::<3, Shared>().unwrap().mode(), Mode::Intx, "the minimum is for messages");
}

#[test]
fn one_handler_serves_a_line_and_a_message() {
    for (function, mode) in [(nic().msi(1), Mode::Msi), (nic(), Mode::Intx)] {
        let fake = FakeMachine::new([function]);
        let shared = Arc::new(LineAsMessage(Shared { mine: 1.into(), ..Shared::default() }));
        let live = port(&fake, 3).grant_service().unwrap().register(shared.clone()).unmask();
        assert_eq!(live.mode(), mode);
        for _ in 0..2 {
            match mode {
                Mode::Intx => assert!(fake.assert_line(11)),
                _ => fake.send(address(3), 0).expect("sent"),
            }
        }
        let reports = fake.machine().interrupt_report();
        assert_eq!((shared.0.calls(), reports[0].count, reports[0].unclaimed), (2, 2, 1));
    }
}
