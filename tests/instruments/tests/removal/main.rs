//! Surprise removal of each driver's device: at each access of its probe and of its drop, and while it is in use.

mod devices;

use devices::{here, removable};
use switchboard::driver::Driver;
use switchboard_instruments::e1000e::E1000e;
use switchboard_instruments::edu::EduRaiser;
use switchboard_instruments::ivshmem::Ivshmem;
use switchboard_instruments::raise::{Raise, RaiseError};
use switchboard_instruments::xhci::Xhci;
use switchboard_testing::RemovalTest;

/// Checks that an operation has failed because its function was removed.
fn assert_gone<T: core::fmt::Debug>(outcome: Result<T, RaiseError>, driver: &str) {
    assert!(matches!(outcome, Err(RaiseError::Gone(gone)) if gone.address == here()), "{driver}: {outcome:?}");
}

fn exhaust<D: Driver>(device: RemovalTest) {
    let accesses = device.remove_at_every_access::<D>();
    assert!(accesses > 20, "{}: only {accesses} accesses", D::NAME);
}

#[test]
fn remove_at_every_access() {
    exhaust::<EduRaiser>(removable(devices::edu));
    exhaust::<E1000e>(removable(devices::e1000e));
    exhaust::<Xhci>(removable(devices::xhci));
    exhaust::<Ivshmem>(removable(devices::ivshmem));
}

#[test]
fn a_pending_command_ends() {
    let device = removable(devices::xhci);
    device.remove_in_use(|fake, mut xhci: Xhci, notice| {
        assert_gone(device.remove_while(fake, notice, xhci.no_op()), Xhci::NAME);
    });
}

fn raise_fails_after_removal<D: Driver + Raise>(device: RemovalTest) {
    device.remove_in_use(|fake, mut raiser: D, notice| {
        assert_eq!(raiser.raise(0), Ok(()));
        device.remove(fake, notice);
        assert_gone(raiser.raise(0), D::NAME);
    });
}

#[test]
fn no_interrupt_is_raised_after_removal() {
    raise_fails_after_removal::<EduRaiser>(removable(devices::edu));
    raise_fails_after_removal::<E1000e>(removable(devices::e1000e));
    raise_fails_after_removal::<Xhci>(removable(devices::xhci));
    raise_fails_after_removal::<Ivshmem>(removable(devices::ivshmem));
}
