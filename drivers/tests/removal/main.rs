//! Tests of each driver with a device that is removed: at each access of its probe and of its drop, and while it is in use.
//!
//! All resources are freed, tasks that wait get an error, and another device is not affected.

#[path = "../ahci/model.rs"]
#[expect(dead_code, reason = "the tests of the driver use all of it")]
mod ahci_model;
mod devices;
#[path = "../nvme/model/mod.rs"]
#[expect(dead_code, reason = "the tests of the driver use all of it")]
mod nvme_model;

use core::pin::pin;
use core::task::{Context, Poll};

use devices::{device_address, removable};
use embassy_net_driver::{Driver as NetDriver, LinkState};
use switchboard::config::Address;
use switchboard::driver::Driver;
use switchboard::function::FunctionState;
use switchboard::interrupt::{Mode, ModePolicy};
use switchboard_drivers::ahci::Ahci;
use switchboard_drivers::e1000::E1000;
use switchboard_drivers::e1000e::E1000e;
use switchboard_drivers::edu::{Edu, EduError};
use switchboard_drivers::hotplug::{HotplugPort, SlotChange};
use switchboard_drivers::igb::Igb;
use switchboard_drivers::interfaces::block::{BlockDevice, BlockError, DiskController};
use switchboard_drivers::interfaces::console::{ConsoleDevice, ConsoleError};
use switchboard_drivers::interfaces::keyboard::KeyboardDevice;
use switchboard_drivers::nvme::Nvme;
use switchboard_drivers::rtl8139::Rtl8139;
use switchboard_drivers::virtio::input::InputError;
use switchboard_drivers::virtio::rng::RngError;
use switchboard_drivers::virtio::vsock::VsockError;
use switchboard_drivers::virtio::{VirtioBlk, VirtioConsole, VirtioKeyboard, VirtioNet, VirtioRng, VirtioVsock};
use switchboard_drivers::vmxnet3::Vmxnet3;
use switchboard_testing::{FakeMachine, RemovalDetection, RemovalTest};

fn remove_at_every_access<D: Driver>(device: RemovalTest) {
    let accesses = device.remove_at_every_access::<D>();
    assert!(accesses > 20, "{}: only {accesses} accesses", D::NAME);
}

#[test]
fn virtio_at_every_access() {
    remove_at_every_access::<VirtioNet>(removable(devices::net));
    remove_at_every_access::<VirtioBlk>(removable(devices::blk));
    remove_at_every_access::<VirtioRng>(removable(devices::rng));
    remove_at_every_access::<VirtioConsole>(removable(devices::console));
    remove_at_every_access::<VirtioVsock>(removable(devices::vsock));
    remove_at_every_access::<VirtioKeyboard>(removable(devices::keyboard));
}

#[test]
fn other_drivers_at_every_access() {
    remove_at_every_access::<E1000>(removable(devices::e1000));
    remove_at_every_access::<E1000e>(removable(devices::e1000e));
    remove_at_every_access::<Rtl8139>(removable(devices::rtl8139));
    remove_at_every_access::<Vmxnet3>(removable(devices::vmxnet3));
    remove_at_every_access::<Igb>(removable(devices::igb));
    remove_at_every_access::<Edu>(removable(devices::edu));
    remove_at_every_access::<Nvme>(removable(devices::nvme));
    remove_at_every_access::<Ahci>(removable(devices::ahci));
    remove_at_every_access::<HotplugPort>(removable(devices::port));
}

#[test]
fn requests_in_flight_end() {
    let device = removable(devices::blk);
    device.remove_in_use(|fake, disk: VirtioBlk, notice| {
        let mut buffer = [0; 1024];
        let outcome = device.remove_while(fake, notice, disk.read(7, &mut buffer));
        assert_eq!(outcome, Err(BlockError::Gone { sector: 7 }));
        let mut later = pin!(disk.write(9, &buffer));
        let outcome = later.as_mut().poll(&mut Context::from_waker(core::task::Waker::noop()));
        assert_eq!(outcome, Poll::Ready(Err(BlockError::Gone { sector: 9 })));
    });
    let device = removable(devices::nvme);
    device.remove_in_use(|fake, disk: Nvme, notice| {
        let outcome = device.remove_while(fake, notice, disk.read(7, &mut [0; 1024]));
        assert_eq!(outcome, Err(BlockError::Gone { sector: 7 }));
    });
    let device = removable(devices::ahci);
    device.remove_in_use(|fake, mut controller: Ahci, notice| {
        let disk = controller.next_disk().expect("a disk");
        let outcome = device.remove_while(fake, notice, disk.read(7, &mut [0; 1024]));
        assert_eq!((outcome, disk.geometry()), (Err(BlockError::Gone { sector: 7 }), None));
    });
    let device = removable(devices::rng);
    device.remove_in_use(|fake, mut rng: VirtioRng, notice| {
        let outcome = device.remove_while(fake, notice, rng.fill(&mut [0; 8]));
        assert!(matches!(outcome, Err(RngError::Gone(gone)) if gone.address == device_address()));
    });
    let device = removable(devices::console);
    device.remove_in_use(|fake, console: VirtioConsole, notice| {
        let mut bytes = [0; 8];
        let read = core::future::poll_fn(|context| console.poll_read(0, &mut bytes, context));
        assert_eq!(device.remove_while(fake, notice, read), Err(ConsoleError::Gone));
    });
    let device = removable(devices::vsock);
    device.remove_in_use(|fake, vsock: VirtioVsock, notice| {
        assert_eq!(device.remove_while(fake, notice, vsock.run()), VsockError::Gone);
    });
    let device = removable(devices::keyboard);
    device.remove_in_use(|fake, mut keyboard: VirtioKeyboard, notice| {
        let outcome = device.remove_while(fake, notice, keyboard.next_event());
        assert!(matches!(outcome, Err(InputError::Gone(_))) && keyboard.is_gone());
    });
    let device = removable(devices::edu);
    device.remove_in_use(|fake, mut edu: Edu, notice| {
        fake.write_register(device_address(), 0, 0x20, 1);
        assert_eq!(device.remove_while(fake, notice, edu.factorial(3)), Err(EduError::Gone));
    });
}

/// Checks that the task of a stack is woken, and that the link is down.
fn link_goes_down<D: NetDriver>(device: RemovalTest, fake: &FakeMachine, mut card: D, notice: RemovalDetection) {
    let down = core::future::poll_fn(|context| {
        let _ = card.receive(context).map(drop);
        let is_up = card.link_state(context) == LinkState::Up;
        if is_up { Poll::Pending } else { Poll::Ready(card.transmit(context).is_none()) }
    });
    assert!(device.remove_while(fake, notice, down), "the card accepts a frame");
}

#[test]
fn links_go_down() {
    let device = removable(devices::net);
    device.remove_in_use(|fake, card: VirtioNet, notice| link_goes_down(device, fake, card, notice));
    let device = removable(devices::e1000);
    device.remove_in_use(|fake, card: E1000, notice| link_goes_down(device, fake, card, notice));
    let device = removable(devices::e1000e);
    device.remove_in_use(|fake, card: E1000e, notice| link_goes_down(device, fake, card, notice));
    let device = removable(devices::vmxnet3);
    device.remove_in_use(|fake, card: Vmxnet3, notice| link_goes_down(device, fake, card, notice));
    let device = removable(devices::igb);
    device.remove_in_use(|fake, card: Igb, notice| link_goes_down(device, fake, card, notice));
    let device = removable(devices::rtl8139);
    device.remove_in_use(|fake, card: Rtl8139, notice| link_goes_down(device, fake, card, notice));
}

#[test]
fn a_shared_line_is_served_after_one_of_its_functions_was_removed() {
    let (fake, edu) = removable(devices::edu).probe::<Edu>(ModePolicy::INTX).expect("it has a pin");
    assert_eq!(edu.mode(), Mode::Intx);
    fake.remove(device_address());
    // The other function asserts the line: the removed one is detected, and does not claim the interrupt.
    for _ in 0..5 {
        assert!(fake.assert_line(10));
    }
    let rows = fake.machine().interrupt_report();
    // And one of the self-test in the probe.
    assert_eq!((rows[0].count, rows[0].unclaimed, fake.machine().has_storm()), (6, 5, false));
    assert_eq!(fake.machine().functions()[0].state, FunctionState::Gone);
    drop(edu);
    let left: Vec<_> = fake.machine().functions().iter().map(|report| report.address).collect();
    assert_eq!(left, [Address::new(0, 0, 4, 0)]);
}

/// A delay that never ends.
struct NoDelay;

impl embedded_hal_async::delay::DelayNs for NoDelay {
    async fn delay_ns(&mut self, _: u32) {
        core::future::pending::<()>().await;
    }
}

#[test]
fn the_functions_behind_a_removed_port_are_removed() {
    let device = removable(devices::port);
    device.remove_in_use(|fake, port: HotplugPort, notice| {
        let (runner, mut slot) = port.split(0);
        let function = fake.machine().take(Address::new(0, 1, 0, 0)).expect("a function that no driver has");
        device.remove_while(fake, notice, runner.run(NoDelay));
        assert!(function.presence().is_gone());
        let mut context = Context::from_waker(core::task::Waker::noop());
        let mut next = || pin!(slot.next()).poll(&mut context);
        assert_eq!((next(), next()), (Poll::Ready(Some(SlotChange::Gone)), Poll::Ready(None)));
    });
}
