//! The port with a slot: cards of QEMU that are added, requested back and cut off, each with its driver.

use core::future::poll_fn;
use core::pin::{Pin, pin};
use core::task::Poll;

use embassy_futures::select::{Either, select};
use embedded_hal_async::delay::DelayNs;
use switchboard::config::Address;
use switchboard::platform::{Clock, Mode, ModePolicy};
use switchboard_drivers::edu::{Edu, EduError};
use switchboard_drivers::hotplug::{HotplugPort, SlotChange, SlotMonitor};
use switchboard_testing::qemu::{Bench, BenchBuilder};

/// A delay by the clock of the bench.
struct ClockDelay(&'static dyn Clock);

impl DelayNs for ClockDelay {
    async fn delay_ns(&mut self, nanoseconds: u32) {
        let until = self.0.now_ns() + u64::from(nanoseconds);
        poll_fn(|context| {
            if self.0.now_ns() >= until {
                return Poll::Ready(());
            }
            context.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }
}

/// Returns a q35 with an empty slot, whose events are the port's and not those of ACPI.
fn builder() -> BenchBuilder {
    Bench::qemu()
        .arguments(&["-global", "ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off"])
        .device("pcie-root-port,id=port0,chassis=1,slot=7")
}

/// Runs the port until it reports a change.
fn next(bench: &Bench, runner: Pin<&mut impl Future<Output = ()>>, monitor: &mut SlotMonitor) -> Option<SlotChange> {
    match bench.run(select(runner, monitor.next())) {
        Either::First(()) => panic!("the port has gone"),
        Either::Second(change) => change,
    }
}

/// Runs the port until there is no function behind it.
fn run_until_empty(bench: &Bench, runner: Pin<&mut impl Future<Output = ()>>) {
    let is_empty = poll_fn(|context| {
        if bench.read_config(Address::new(0, 1, 0, 0), 0) == 0xffff {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    });
    assert!(matches!(bench.run(select(runner, is_empty)), Either::Second(())));
}

/// Copies bytes to the card and back. A factorial would do as well, were it not for QEMU: edu computes it on a thread of its own, which
/// takes QEMU's global lock to interrupt, and the removal of the card waits for the end of this thread with the lock held. Where the
/// host runs the thread late, both wait for ever: the driver has seen the result, and the card is removed before the interrupt.
fn copy_both_ways(bench: &Bench, edu: &mut Edu, byte: u8) -> Result<[u8; 16], EduError> {
    bench.run(async {
        let mut received = [0; 16];
        edu.write_buffer(0, &[byte; 16]).await?;
        edu.read_buffer(0, &mut received).await?;
        Ok(received)
    })
}

#[test]
fn cards_come_and_go() {
    // The card has no MSI-X.
    for (mode, policy) in [(Mode::Intx, ModePolicy::INTX), (Mode::Msix, ModePolicy::MSI | ModePolicy::MSIX)] {
        let Some(bench) = builder().policy(policy).start() else { return };
        let bench = &bench;
        let port: HotplugPort = bench.attach();
        assert_eq!(port.mode(), mode);
        let (runner, mut monitor) = port.split(0);
        let mut runner = pin!(runner.run(ClockDelay(bench.machine().clock())));
        for round in 0..2 {
            bench.add_device("edu,id=card,bus=port0");
            assert_eq!(next(bench, runner.as_mut(), &mut monitor), Some(SlotChange::Added), "round {round}");
            bench.machine().scan();
            let mut edu: Edu = bench.attach();
            assert_eq!(copy_both_ways(bench, &mut edu, 5), Ok([5; 16]));
            // Requested back, and released.
            bench.request_removal("card");
            assert_eq!(next(bench, runner.as_mut(), &mut monitor), Some(SlotChange::RemovalRequested));
            assert_eq!(copy_both_ways(bench, &mut edu, 6), Ok([6; 16]), "until it is released");
            drop(edu);
            monitor.release();
            run_until_empty(bench, runner.as_mut());
            // Cut off under its driver.
            bench.add_device("edu,id=card,bus=port0");
            assert_eq!(next(bench, runner.as_mut(), &mut monitor), Some(SlotChange::Added), "again in round {round}");
            bench.machine().scan();
            let mut edu: Edu = bench.attach();
            assert_eq!(copy_both_ways(bench, &mut edu, 5), Ok([5; 16]));
            monitor.cut_power();
            run_until_empty(bench, runner.as_mut());
            assert_eq!(copy_both_ways(bench, &mut edu, 7), Err(EduError::Gone));
            drop(edu);
            assert_eq!(next(bench, runner.as_mut(), &mut monitor), Some(SlotChange::Gone));
        }
    }
}

#[test]
fn a_card_behind_a_bridge_that_is_added_has_its_driver() {
    for policy in [ModePolicy::INTX, ModePolicy::MSI | ModePolicy::MSIX] {
        let Some(bench) = builder().policy(policy).start() else { return };
        let bench = &bench;
        let port: HotplugPort = bench.attach();
        let (runner, mut monitor) = port.split(0);
        let mut runner = pin!(runner.run(ClockDelay(bench.machine().clock())));
        for round in 0..2 {
            bench.add_device("pcie-pci-bridge,id=bridge,bus=port0");
            bench.add_device("edu,id=card,bus=bridge,addr=2");
            assert_eq!(next(bench, runner.as_mut(), &mut monitor), Some(SlotChange::Added), "round {round}");
            bench.machine().scan();
            assert_eq!(monitor.bus().functions().len(), 2);
            let mut edu: Edu = bench.attach();
            assert_eq!(copy_both_ways(bench, &mut edu, 5), Ok([5; 16]));
            bench.request_removal("bridge");
            assert_eq!(next(bench, runner.as_mut(), &mut monitor), Some(SlotChange::RemovalRequested));
            drop(edu);
            monitor.release();
            run_until_empty(bench, runner.as_mut());
        }
    }
}
