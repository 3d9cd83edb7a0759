//! Tests of the device registry: a driver needs one line in the list, with a class of the runtime, its own class or none.

use core::sync::atomic::{AtomicUsize, Ordering};
use core::task::{Context, Poll};

use embassy_futures::block_on;
use switchboard::config::Address;
use switchboard::driver::{Driver, Id, ProbeError};
use switchboard::function::{Function, Resources};
use switchboard::interrupt::InterruptPort;
use switchboard_drivers::interfaces::block::{
    BlockDevice, BlockError, BlockRequest, DiskController, Geometry, SECTOR_SIZE, Ticket, Transfer,
};
use switchboard_runtime::devices::{
    DeviceClass, DeviceOptions, Devices, DriverEntry, FromDriver, class, device, disks,
};
use switchboard_runtime::disk::Disk;
use switchboard_testing::{FakeFunction, FakeMachine};

/// Defines a driver that only claims its function.
macro_rules! driver {
    ($name:ident, $device:literal) => {
        struct $name(
            #[expect(dead_code, reason = "a resource of the function, which makes the driver its owner")] InterruptPort,
        );

        impl Driver for $name {
            const NAME: &'static str = stringify!($name);
            const MATCHES: &'static [Id] = &[Id::new(0x1af5, $device)];

            fn probe(function: Function) -> Result<Self, ProbeError> {
                let Resources { irq, .. } = function.claim()?;
                Ok(Self(irq))
            }
        }
    };
}

driver!(Zeros, 1);
driver!(Horn, 2);
driver!(Alone, 3);

impl BlockDevice for Zeros {
    fn geometry(&self) -> Option<Geometry> {
        Some(Geometry {
            capacity: 8,
            block_bytes: SECTOR_SIZE,
            is_read_only: true,
            max_transfer_bytes: SECTOR_SIZE,
            max_discard_bytes: 0,
            max_write_zeroes_bytes: 0,
        })
    }

    fn poll_request(&self, request: &mut BlockRequest<'_>, _: &mut Context<'_>) -> Poll<Result<(), BlockError>> {
        if let Transfer::Read(take) = &mut request.transfer {
            take(&[0; SECTOR_SIZE][..request.length]);
        }
        Poll::Ready(Ok(()))
    }

    fn abandon(&self, _ticket: &mut Ticket) {}

    fn close(&self) {}
}

/// A class of devices that is not part of the runtime.
trait Beep {
    fn beep(&self) -> &'static str;
}

impl Beep for Horn {
    fn beep(&self) -> &'static str {
        "honk"
    }
}

struct Beeper(Box<dyn Beep>);

impl DeviceClass for Beeper {}

impl<D: Beep + 'static> FromDriver<D> for Beeper {
    fn from_driver(driver: D, _options: DeviceOptions) -> Self {
        Self(Box::new(driver))
    }
}

const DRIVERS: &[DriverEntry] = &[class::<Zeros, Disk>(), class::<Horn, Beeper>(), device::<Alone>()];

fn at(slot: u8) -> Address {
    Address::new(0, 0, slot, 0)
}

#[test]
fn devices_are_found_by_type_attached_and_detached() {
    let places = [("00:05.0", 3), ("00:03.0", 1), ("00:04.0", 2), ("00:06.0", 1), ("00:07.0", 9)];
    let fake = FakeMachine::new(places.map(|(place, device)| FakeFunction::new(0x1af5, device).at(place)));
    let machine = fake.machine();
    let mut devices = Devices::new(DRIVERS, DeviceOptions::default());
    devices.probe(machine);

    assert_eq!(devices.iter::<Disk>().map(|found| found.function).collect::<Vec<_>>(), [at(3), at(6)]);
    assert_eq!(devices.first::<Beeper>().expect("a beeper").device.0.beep(), "honk");
    let alone = devices.take_first::<Alone>().expect("a device without a class");
    assert_eq!((alone.function, alone.driver), (at(5), "Alone"));
    assert!(devices.first::<Alone>().is_none() && devices.first::<Horn>().is_none());
    assert!(!block_on(devices.detach(at(5))), "a device that was taken is not in the registry");

    // All handles to a detached disk fail, and its function is free again.
    let disk = devices.first::<Disk>().expect("a disk").device.clone();
    let mut sector = [1; SECTOR_SIZE];
    block_on(disk.read(0, &mut sector)).expect("a sector");
    assert_eq!(sector, [0; SECTOR_SIZE]);
    assert!(machine.take(at(3)).is_none());
    assert!(block_on(devices.detach(at(3))));
    assert_eq!(block_on(disk.read(1, &mut sector)), Err(BlockError::Gone { sector: 1 }));
    assert!(devices.attach(machine.take(at(3)).expect("the function is free")));
    assert_eq!(devices.iter::<Disk>().map(|found| found.function).collect::<Vec<_>>(), [at(3), at(6)]);
}

/// A controller whose disks are counted; disks of the class above.
struct Shelf {
    #[expect(dead_code, reason = "a resource of the function, which makes the driver its owner")]
    irq: InterruptPort,
    new: usize,
}

static PLUGGED: AtomicUsize = AtomicUsize::new(0);

struct Tray {
    number: usize,
}

impl BlockDevice for Tray {
    fn geometry(&self) -> Option<Geometry> {
        let is_plugged = PLUGGED.load(Ordering::Relaxed) > self.number;
        is_plugged.then_some(Geometry {
            capacity: self.number as u64 + 1,
            block_bytes: SECTOR_SIZE,
            is_read_only: false,
            max_transfer_bytes: SECTOR_SIZE,
            max_discard_bytes: 0,
            max_write_zeroes_bytes: 0,
        })
    }

    fn poll_request(&self, _: &mut BlockRequest<'_>, _: &mut Context<'_>) -> Poll<Result<(), BlockError>> {
        Poll::Ready(Ok(()))
    }

    fn abandon(&self, _ticket: &mut Ticket) {}

    fn close(&self) {}
}

impl Driver for Shelf {
    const NAME: &'static str = "Shelf";
    const MATCHES: &'static [Id] = &[Id::new(0x1af5, 7)];

    fn probe(function: Function) -> Result<Self, ProbeError> {
        let Resources { irq, .. } = function.claim()?;
        Ok(Self { irq, new: 0 })
    }
}

impl DiskController for Shelf {
    type Disk = Tray;

    fn next_disk(&mut self) -> Option<Tray> {
        let number = self.new;
        (number < PLUGGED.load(Ordering::Relaxed)).then(|| {
            self.new += 1;
            Tray { number }
        })
    }
}

#[test]
fn the_disks_of_a_controller_are_devices_of_their_own() {
    let fake = FakeMachine::new([
        FakeFunction::new(0x1af5, 7).at("00:03.0"),
        FakeFunction::new(0x1af5, 1).at("00:02.0"),
        FakeFunction::new(0x1af5, 1).at("00:04.0"),
    ]);
    PLUGGED.store(2, Ordering::Relaxed);
    const SHELVES: &[DriverEntry] = &[disks::<Shelf>(), class::<Zeros, Disk>()];
    let mut devices = Devices::new(SHELVES, DeviceOptions::default());
    devices.probe(fake.machine());
    let found: Vec<_> = devices.iter::<Disk>().map(|found| (found.function, found.device.capacity())).collect();
    assert_eq!(found, [(at(2), 8), (at(3), 1), (at(3), 2), (at(4), 8)]);
    let disk = devices.iter::<Disk>().nth(2).expect("a disk").device.clone();
    assert!(block_on(devices.detach(at(3))), "all of them");
    assert_eq!((devices.iter::<Disk>().count(), disk.geometry()), (2, None));
    assert!(fake.machine().take(at(3)).is_some(), "the function is free");
}
