//! Fake devices that drivers can be attached to.

use switchboard::config::Address;
use switchboard::interrupt::ModePolicy;
use switchboard_testing::{FakeFunction, FakeMachine, RemovalTest};

/// Returns the address of the device that is removed.
pub(crate) fn here() -> Address {
    Address::new(0, 0, 3, 0)
}

/// Returns the removal test of a machine's device.
pub(crate) fn removable(machine: fn(ModePolicy) -> &'static FakeMachine) -> RemovalTest {
    RemovalTest { machine, address: here() }
}

/// Makes a machine with the device, and another one that stays.
fn machine(policy: ModePolicy, function: FakeFunction) -> &'static FakeMachine {
    let neighbour = FakeFunction::new(0x1af4, 0x1110).at("00:04.0").bar(0, 0x100).bar(2, 0x1000).pin(1, 10);
    Box::leak(Box::new(FakeMachine::with_policy(policy, [function.at("00:03.0"), neighbour])))
}

fn set(fake: &FakeMachine, registers: &[(u64, u32)]) {
    registers.iter().for_each(|(offset, value)| fake.write_register(here(), 0, *offset, *value));
}

/// Makes a machine with QEMU's edu.
pub(crate) fn edu(policy: ModePolicy) -> &'static FakeMachine {
    let fake = machine(policy, FakeFunction::new(0x1234, 0x11e8).bar(0, 0x10_0000).pin(1, 10).msi(1));
    set(fake, &[(0, 0x0100_00ed)]);
    fake
}

/// Makes a machine with Intel's 82574, which ends its resets.
pub(crate) fn e1000e(policy: ModePolicy) -> &'static FakeMachine {
    let function = FakeFunction::new(0x8086, 0x10d3).bar(0, 0x2_0000).bar(3, 0x4000);
    let fake = machine(policy, function.pin(1, 10).msi(1).msix(5, 3, 0, 0x2000));
    fake.on_access(here(), move || set(fake, &[(0, 0)]));
    fake
}

/// Makes a machine with NEC's xHCI controller, which halts and ends its resets.
pub(crate) fn xhci(policy: ModePolicy) -> &'static FakeMachine {
    let function = FakeFunction::new(0x1033, 0x0194).byte(0x0b, 0x0c).byte(0x0a, 0x03).byte(0x09, 0x30).bar(0, 0x4000);
    let fake = machine(policy, function.pin(1, 11).msi(16).msix(16, 0, 0x3000, 0x3800));
    set(fake, &[(0x00, 0x0100_0040), (0x04, 0x0800_1040), (0x14, 0x2000), (0x18, 0x1000), (0x44, 1), (0x48, 1)]);
    fake.on_access(here(), move || set(fake, &[(0x40, fake.read_register(here(), 0, 0x40) & !2)]));
    fake
}

/// Makes a machine with an ivshmem device that has its peer id.
pub(crate) fn ivshmem(policy: ModePolicy) -> &'static FakeMachine {
    let function = FakeFunction::new(0x1af4, 0x1110).bar(0, 0x100).bar(1, 0x1000).bar(2, 0x1000);
    machine(policy, function.msix(8, 1, 0, 0x800))
}
