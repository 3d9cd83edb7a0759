//! Devices made of memory that are good enough to be probed, one of each kind that there is a driver for.

use switchboard::config::Address;
use switchboard::interrupt::ModePolicy;
use switchboard_testing::{FakeFunction, FakeMachine, RemovalTest};

/// Where the device is that goes away.
pub(crate) fn here() -> Address {
    Address::new(0, 0, 3, 0)
}

/// The device of such a machine.
pub(crate) fn removable(machine: fn(ModePolicy) -> &'static FakeMachine) -> RemovalTest {
    RemovalTest { machine, address: here() }
}

/// A machine with that device, and another beside it that stays.
fn machine(policy: ModePolicy, function: FakeFunction) -> &'static FakeMachine {
    let neighbour = FakeFunction::new(0x1af4, 0x1110).at("00:04.0").bar(0, 0x100).bar(2, 0x1000).pin(1, 10);
    Box::leak(Box::new(FakeMachine::with_policy(policy, [function.at("00:03.0"), neighbour])))
}

fn set(fake: &FakeMachine, registers: &[(u64, u32)]) {
    registers.iter().for_each(|(offset, value)| fake.write_register(here(), 0, *offset, *value));
}

/// A virtio device with two queues of 256, offering what makes queues complicated.
fn virtio(policy: ModePolicy, device: u16) -> &'static FakeMachine {
    let place = |kind: u8, offset: u32, length: u32| {
        let mut body = vec![if kind == 2 { 20 } else { 16 }, kind, 0, 0, 0, 0];
        body.extend([offset, length].into_iter().flat_map(u32::to_le_bytes));
        if kind == 2 {
            body.extend(4_u32.to_le_bytes());
        }
        body
    };
    let function = FakeFunction::new(0x1af4, device).pin(1, 11).bar(0, 0x4000).bar(1, 0x1000).msix(4, 1, 0, 0x800);
    let places = [place(1, 0, 56), place(2, 0x3000, 0x1000), place(3, 0x1000, 1), place(4, 0x2000, 0x100)];
    let function = places.iter().fold(function, |function, body| function.capability(9, body));
    let fake = machine(policy, function);
    // Version 1, indirect descriptors, event indices; a disk of 256 sectors, or a card with some address.
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

/// QEMU's e1000, that ends its resets and reads its EEPROM.
pub(crate) fn e1000(policy: ModePolicy) -> &'static FakeMachine {
    let fake = machine(policy, FakeFunction::new(0x8086, 0x100e).bar(0, 0x20000).pin(1, 10));
    let mut words = [0_u16; 256];
    words[..3].copy_from_slice(&[0x5452, 0x1200, 0x5634]);
    words[63] = words[..63].iter().fold(0xbaba, |rest, word| rest.wrapping_sub(*word));
    fake.on_access(here(), move || {
        let (control, asked) = (fake.read_register(here(), 0, 0), fake.read_register(here(), 0, 0x14));
        let word = words[usize::from(asked.to_le_bytes()[1])];
        set(fake, &[(0, control & !(1 << 26)), (8, 2)]);
        if asked & 0x11 == 1 {
            set(fake, &[(0x14, u32::from(word) << 16 | 0x10)]);
        }
    });
    fake
}

/// QEMU's edu, that inverts what it is told.
pub(crate) fn edu(policy: ModePolicy) -> &'static FakeMachine {
    let fake = machine(policy, FakeFunction::new(0x1234, 0x11e8).bar(0, 0x10_0000).pin(1, 10).msi(1));
    fake.allocate_dma_from(0x10_0000);
    set(fake, &[(0, 0x0100_00ed)]);
    fake.on_access(here(), move || {
        if fake.read_register(here(), 0, 4) == 0x1234_5678 {
            set(fake, &[(4, !0x1234_5678)]);
        }
    });
    // It interrupts when it is told to.
    fake.on_tick(move || {
        if !fake.is_removed(here()) && fake.read_register(here(), 0, 0x60) != 0 {
            set(fake, &[(0x24, fake.read_register(here(), 0, 0x60)), (0x60, 0)]);
            if fake.send(here(), 0).is_none() {
                fake.assert_line(10);
            }
            set(fake, &[(0x24, 0)]);
        }
    });
    fake
}

/// A port whose slot has all there is and takes no time for commands; with a function behind it.
pub(crate) fn port(policy: ModePolicy) -> &'static FakeMachine {
    let port = FakeFunction::new(0x1b36, 0x000c).pin(1, 10).msi(1).root_port(1, 5 << 19 | 1 << 18 | 0x7f);
    let fake = machine(policy, port);
    fake.insert(FakeFunction::new(0x1234, 0x11e8).at("01:00.0"));
    fake.machine().scan();
    let express = fake.find_capability(here(), 0x10).expect("it was made with one");
    fake.set_config(here(), express + 0x1a, 1 << 6);
    fake.set_config(here(), express + 0x12, 1 << 13);
    fake
}
