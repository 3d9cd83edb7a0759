//! Tests the driver on the fake machine.

use core::pin::pin;
use core::task::{Context, Poll, Waker};

use outside_driver::BarDisk;
use switchboard::driver::{Driver, attach};
use switchboard_drivers::interfaces::block::{BlockDevice, BlockError, SECTOR_SIZE};
use switchboard_testing::{FakeFunction, FakeMachine};

fn ready<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("the driver completes requests at once"),
    }
}

#[test]
fn sectors_are_read_from_the_bar() {
    let (vendor, device) = (0x1af5, 0x0001);
    let fake = FakeMachine::new([FakeFunction::new(vendor, device).at("00:03.0").bar(0, 0x1000)]);
    let function = fake.machine().take_all().remove(0);
    assert!(BarDisk::MATCHES.iter().any(|id| id.matches(&function)));
    let address = function.address();
    fake.write_register(address, 0, 0, 8);
    fake.write_register(address, 0, 4, 0x5a);

    let disk = attach::<BarDisk>(function).expect("a working device");
    let mut buffer = [0; 2 * SECTOR_SIZE];
    ready(disk.read(6, &mut buffer)).expect("two sectors");
    assert_eq!(buffer, [0x5a; 2 * SECTOR_SIZE]);
    let beyond = ready(disk.read(7, &mut buffer));
    assert_eq!(beyond, Err(BlockError::PastEnd { sector: 7, sectors: 2, capacity: 8 }));
    assert_eq!(ready(disk.write(0, &buffer)), Err(BlockError::ReadOnly { sector: 0 }));
}
