//! `Machine::quiesce`: takes every function off the bus, without waiting for a lock.

use core::sync::atomic::{AtomicBool, Ordering};

use switchboard::config::{Address, ConfigAccess, Width};
use switchboard_testing::{FakeFunction, FakeMachine};

const COMMAND: u16 = 4;
const DECODE: u32 = 3;
const BUS_MASTER: u32 = 4;
const INTX_DISABLE: u32 = 0x400;

/// A configuration space whose lock is never released once `is_held` is set.
struct Locked {
    inner: &'static dyn ConfigAccess,
    is_held: AtomicBool,
}

impl Locked {
    fn enter(&self) -> &'static dyn ConfigAccess {
        assert!(!self.is_held.load(Ordering::Relaxed), "this would deadlock");
        self.inner
    }
}

impl ConfigAccess for Locked {
    fn read(&self, address: Address, offset: u16, width: Width) -> u32 {
        self.enter().read(address, offset, width)
    }

    fn write(&self, address: Address, offset: u16, width: Width, value: u32) {
        self.enter().write(address, offset, width, value);
    }

    fn read_unlocked(&self, address: Address, offset: u16, width: Width) -> u32 {
        self.inner.read(address, offset, width)
    }

    fn write_unlocked(&self, address: Address, offset: u16, width: Width, value: u32) {
        self.inner.write(address, offset, width, value);
    }

    fn size(&self, address: Address) -> u16 {
        self.inner.size(address)
    }
}

fn functions() -> [FakeFunction; 3] {
    // The third is not function 0 of its device, as where that was removed.
    ["00:01.0", "00:02.0", "00:02.3"].map(|at| {
        // The device has several functions.
        FakeFunction::new(0x1234, 0x11e8).at(at).byte(0x0e, 0x80).bar(0, 0x1000).pin(1, 10)
    })
}

#[test]
fn every_function_is_off_the_bus_and_still_decodes() {
    let fake = FakeMachine::new(functions());
    let config = Box::leak(Box::new(Locked { inner: fake.config(), is_held: AtomicBool::new(false) }));
    let machine = fake.share().config(config).build().machine();
    machine.scan();
    let claimed: Vec<_> =
        machine.take_all().into_iter().map(|function| function.claim().expect("an endpoint")).collect();
    let buffers: Vec<_> = claimed.iter().map(|resources| resources.dma.buffer(64).expect("memory")).collect();
    let command = |address| fake.config().read(address, COMMAND, Width::Word);
    let addresses: Vec<_> = claimed.iter().map(|resources| resources.config.address()).collect();
    assert_eq!(addresses.len(), 3);
    for address in &addresses {
        assert_eq!(command(*address), DECODE | BUS_MASTER | INTX_DISABLE);
        // INTx enabled, as for a driver that uses the line.
        fake.set_config(*address, COMMAND, 7);
    }
    // Function 0 of a device is removed after the walk; its other function must be quiesced all the same.
    fake.remove(addresses[1]);
    config.is_held.store(true, Ordering::Relaxed);
    machine.quiesce();
    config.is_held.store(false, Ordering::Relaxed);
    for address in [addresses[0], addresses[2]] {
        assert_eq!(command(address), DECODE | INTX_DISABLE);
    }
    drop((claimed, buffers));
}
