//! The drivers that only measure, on QEMU's models of their devices: each interrupt that is raised arrives, in each mode.

use core::fmt::Debug;

use switchboard::driver::Driver;
use switchboard_instruments::e1000e::E1000e;
use switchboard_instruments::edu::EduRaiser;
use switchboard_instruments::raise::{Raise, RaiseError};
use switchboard_instruments::xhci::Xhci;
use switchboard_testing::qemu::{Bench, BenchBuilder};

/// The interrupts of each source.
const COUNT: u64 = 50;

fn raise(device: &mut impl Raise, source: usize, bench: &Bench) {
    for number in 1..=COUNT {
        while device.raise(source) == Err(RaiseError::Busy) {
            let _now = bench.machine().clock().now_ns();
        }
        // Reading the clock lets the device and the handlers run.
        for _ in 0..1000 {
            if device.count(source).outstanding() == 0 {
                break;
            }
            let _now = bench.machine().clock().now_ns();
        }
        let counts = device.count(source);
        assert_eq!((counts.raised, counts.outstanding()), (number, 0), "source {source}: {counts:?}");
    }
}

/// Raises all interrupts of a device in each mode. Returns the number of modes.
fn check<D: Driver + Raise + Debug>(builder: BenchBuilder) -> usize {
    let modes = core::cell::Cell::new(0);
    builder.in_each_mode(|bench| {
        let mut device: D = bench.attach();
        assert!(bench.policy().permits(device.mode()));
        assert!(device.sources() > 0);
        (0..device.sources()).for_each(|source| raise(&mut device, source, bench));
        modes.set(modes.get() + 1);
    });
    modes.get()
}

#[test]
fn edu_raises() {
    assert!(matches!(check::<EduRaiser>(Bench::qemu().device("edu")), 0 | 2));
}

/// The device that offers all three modes, as does the next one.
#[test]
fn e1000e_raises_in_three_modes() {
    assert!(matches!(check::<E1000e>(Bench::qemu().device("e1000e,romfile=,subsys=0x5357")), 0 | 3));
}

#[test]
fn xhci_raises_in_three_modes() {
    assert!(matches!(check::<Xhci>(Bench::qemu().device("nec-usb-xhci,msi=on,msix=on")), 0 | 3));
}
