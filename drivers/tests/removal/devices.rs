//! Devices made of memory that can be probed, one for each driver.

use switchboard::config::Address;
use switchboard::interrupt::ModePolicy;
use switchboard_testing::{FakeFunction, FakeMachine, RemovalTest};

use crate::ahci_model;
use crate::nvme_model::{self, Behaviour, Model};

/// Returns the address of the device that is removed.
pub(crate) fn device_address() -> Address {
    Address::new(0, 0, 3, 0)
}

/// Returns the test of removing the device of `machine`.
pub(crate) fn removable(machine: fn(ModePolicy) -> &'static FakeMachine) -> RemovalTest {
    RemovalTest { machine, address: device_address() }
}

/// Returns a machine with that device and another one, which is not removed.
fn machine(policy: ModePolicy, function: FakeFunction) -> &'static FakeMachine {
    let neighbour = FakeFunction::new(0x1af4, 0x1110).at("00:04.0").bar(0, 0x100).bar(2, 0x1000).pin(1, 10);
    Box::leak(Box::new(FakeMachine::with_policy(policy, [function.at("00:03.0"), neighbour])))
}

fn set(fake: &FakeMachine, registers: &[(u64, u32)]) {
    registers.iter().for_each(|(offset, value)| fake.write_register(device_address(), 0, *offset, *value));
}

/// Returns a virtio device with two queues of 256 that offers all features of queues.
fn virtio(policy: ModePolicy, device: u16) -> &'static FakeMachine {
    let capability = |kind: u8, offset: u32, length: u32| {
        let mut body = vec![if kind == 2 { 20 } else { 16 }, kind, 0, 0, 0, 0];
        body.extend([offset, length].into_iter().flat_map(u32::to_le_bytes));
        if kind == 2 {
            body.extend(4_u32.to_le_bytes());
        }
        body
    };
    let function = FakeFunction::new(0x1af4, device).pin(1, 11).bar(0, 0x4000).bar(1, 0x1000).msix(4, 1, 0, 0x800);
    let capabilities =
        [capability(1, 0, 56), capability(2, 0x3000, 0x1000), capability(3, 0x1000, 1), capability(4, 0x2000, 0x100)];
    let function = capabilities.iter().fold(function, |function, body| function.capability(9, body));
    let fake = machine(policy, function);
    // Version 1, indirect descriptors, event indices; a disk of 256 sectors, or a card with an address.
    set(fake, &[(4, 1 | 1 << 28 | 1 << 29), (16, 2 << 16), (24, 256), (0x2000, 256)]);
    fake
}

pub(crate) fn net(policy: ModePolicy) -> &'static FakeMachine {
    virtio(policy, 0x1041)
}

pub(crate) fn blk(policy: ModePolicy) -> &'static FakeMachine {
    virtio(policy, 0x1042)
}

pub(crate) fn rng(policy: ModePolicy) -> &'static FakeMachine {
    virtio(policy, 0x1044)
}

pub(crate) fn vsock(policy: ModePolicy) -> &'static FakeMachine {
    let fake = virtio(policy, 0x1053);
    set(fake, &[(16, 3 << 16)]);
    fake
}

/// Returns a virtio input device that has the key A.
pub(crate) fn keyboard(policy: ModePolicy) -> &'static FakeMachine {
    let fake = virtio(policy, 0x1052);
    set(fake, &[(0x2000, 16 << 16), (0x2008, 1 << 30)]);
    fake
}

pub(crate) fn console(policy: ModePolicy) -> &'static FakeMachine {
    virtio(policy, 0x1043)
}

/// Returns an e1000 that completes resets and reads its EEPROM.
pub(crate) fn e1000(policy: ModePolicy) -> &'static FakeMachine {
    let fake = machine(policy, FakeFunction::new(0x8086, 0x100e).bar(0, 0x20000).pin(1, 10));
    let mut words = [0_u16; 256];
    words[..3].copy_from_slice(&[0x5452, 0x1200, 0x5634]);
    words[63] = words[..63].iter().fold(0xbaba, |rest, word| rest.wrapping_sub(*word));
    fake.on_access(device_address(), move || {
        let (control, request) =
            (fake.read_register(device_address(), 0, 0), fake.read_register(device_address(), 0, 0x14));
        let word = words[usize::from(request.to_le_bytes()[1])];
        set(fake, &[(0, control & !(1 << 26)), (8, 2)]);
        if request & 0x11 == 1 {
            set(fake, &[(0x14, u32::from(word) << 16 | 0x10)]);
        }
    });
    fake
}

/// Returns an 82574 that completes resets and has its address.
pub(crate) fn e1000e(policy: ModePolicy) -> &'static FakeMachine {
    let function = FakeFunction::new(0x8086, 0x10d3).bar(0, 0x2_0000).bar(3, 0x4000);
    let fake = machine(policy, function.pin(1, 10).msi(1).msix(5, 3, 0, 0x2000));
    fake.on_access(device_address(), move || {
        let control = fake.read_register(device_address(), 0, 0);
        set(fake, &[(0, control & !(1 << 26)), (8, 2), (0x5400, 0x1200_5452), (0x5404, 0x8000_5634)]);
    });
    fake
}

/// Returns an RTL8139C+ that completes resets.
pub(crate) fn rtl8139(policy: ModePolicy) -> &'static FakeMachine {
    let fake = machine(policy, FakeFunction::new(0x10ec, 0x8139).byte(8, 0x20).bar(1, 0x100).pin(1, 10));
    fake.on_access(device_address(), move || {
        if !fake.is_removed(device_address()) {
            fake.write_register(device_address(), 1, 0, 0x1200_5452);
            let command = fake.read_register_u8(device_address(), 1, 0x37);
            fake.write_register_u8(device_address(), 1, 0x37, command & !0x10);
        }
    });
    fake
}

/// Returns a vmxnet3 that accepts commands.
pub(crate) fn vmxnet3(policy: ModePolicy) -> &'static FakeMachine {
    let function = FakeFunction::new(0x15ad, 0x07b0).bar(0, 0x1000).bar(1, 0x1000).bar(2, 0x2000);
    let fake = machine(policy, function.pin(1, 10).msi(1).msix(25, 2, 0, 0x1000));
    for (offset, value) in [(0x00, 1), (0x08, 1), (0x28, 0x1200_5452), (0x30, 0x5634)] {
        fake.write_register(device_address(), 1, offset, value);
    }
    // The link is up, and no other command fails.
    fake.on_read(device_address(), 1, |read| match (read.offset, read.value) {
        (0x20, 0xf00d_0002) => 1,
        (0x20, value) if value != u64::from(u32::MAX) => 0,
        (_, value) => value,
    });
    fake
}

/// Returns an 82576 that completes resets, and whose PHY responds.
pub(crate) fn igb(policy: ModePolicy) -> &'static FakeMachine {
    let function = FakeFunction::new(0x8086, 0x10c9).bar(0, 0x2_0000).bar(3, 0x4000);
    let fake = machine(policy, function.pin(1, 10).msi(1).msix(10, 3, 0, 0x2000));
    fake.on_access(device_address(), move || {
        let [control, phy] = [0, 0x20].map(|offset| fake.read_register(device_address(), 0, offset));
        let registers = [(0, control & !(1 << 26)), (0x20, phy | 1 << 28), (8, 2), (0x5400, 0x1200_5452)];
        set(fake, &registers);
        set(fake, &[(0x5404, 0x8000_5634)]);
    });
    fake
}

/// Returns an edu that inverts its liveness register.
pub(crate) fn edu(policy: ModePolicy) -> &'static FakeMachine {
    let fake = machine(policy, FakeFunction::new(0x1234, 0x11e8).bar(0, 0x10_0000).pin(1, 10).msi(1));
    fake.allocate_dma_from(0x10_0000);
    set(fake, &[(0, 0x0100_00ed)]);
    fake.on_access(device_address(), move || {
        if fake.read_register(device_address(), 0, 4) == 0x1234_5678 {
            set(fake, &[(4, !0x1234_5678)]);
        }
    });
    // It interrupts on request.
    fake.on_tick(move || {
        if !fake.is_removed(device_address()) && fake.read_register(device_address(), 0, 0x60) != 0 {
            set(fake, &[(0x24, fake.read_register(device_address(), 0, 0x60)), (0x60, 0)]);
            if fake.send(device_address(), 0).is_none() {
                fake.assert_line(10);
            }
            set(fake, &[(0x24, 0)]);
        }
    });
    fake
}

/// Returns a port with a function behind it, whose slot has all features, and whose commands complete at once.
pub(crate) fn port(policy: ModePolicy) -> &'static FakeMachine {
    let port = FakeFunction::new(0x1b36, 0x000c).pin(1, 10).msi(1).root_port(1, 5 << 19 | 1 << 18 | 0x7f);
    let fake = machine(policy, port);
    fake.insert(FakeFunction::new(0x1234, 0x11e8).at("01:00.0"));
    fake.machine().scan();
    let express = fake.find_capability(device_address(), 0x10).expect("it was made with one");
    fake.set_config(device_address(), express + 0x1a, 1 << 6);
    fake.set_config(device_address(), express + 0x12, 1 << 13);
    fake
}

/// Returns an AHCI controller with a disk.
pub(crate) fn ahci(policy: ModePolicy) -> &'static FakeMachine {
    let fake = machine(policy, ahci_model::function());
    ahci_model::Model::of(fake, device_address(), ahci_model::Behaviour::default());
    fake
}

/// Returns an NVMe controller with a namespace.
pub(crate) fn nvme(policy: ModePolicy) -> &'static FakeMachine {
    let fake = machine(policy, nvme_model::function());
    Model::of(fake, device_address(), Behaviour::default());
    fake
}
