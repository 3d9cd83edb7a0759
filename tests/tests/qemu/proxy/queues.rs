//! Virtio devices that break the rules of their queues: each is quarantined with a reason, and the machine lives on.
//!
//! They cannot interrupt. But a line that a busy network card interrupts on asks all its sharers, and then they tell
//! their drivers that there is something in their queues.

use switchboard_tests::proxy::{Access, FaultyVirtio, GuestMemory, Proxy, VirtioFault, VirtioKind};
use switchboard_tests::{Guest, Irq, Machine, Qemu};

use super::{MEMORY, machine_with, serves, start};

/// Slots whose line is that of slot 1, the network card's, on q35.
const SHARED: [usize; 6] = [0x5, 0x9, 0xd, 0x11, 0x15, 0x19];
/// Where the device status is among the registers.
const STATUS: u64 = 20;

/// Adds devices of a kind, each of which lies in its way, and boots.
fn boot(memory: &GuestMemory, qemu: Qemu, kind: VirtioKind, lies: &[VirtioFault]) -> (Guest, Vec<Proxy>) {
    let mut qemu = qemu.irq(Irq::Intx);
    let mut proxies = Vec::new();
    for (&lie, slot) in lies.iter().zip(SHARED) {
        let liar = FaultyVirtio::new(memory, kind, lie);
        let (proxy, with) = Proxy::attach(qemu, &format!("addr={slot:#x}"), kind.config().space(), Box::new(liar));
        proxies.push(proxy);
        qemu = with;
    }
    (start(qemu, &proxies), proxies)
}

/// What the driver says of a lie.
fn complaint(lie: VirtioFault) -> &'static str {
    match lie {
        VirtioFault::IdNotPosted | VirtioFault::IdOutOfRange => "the device gave back chain",
        VirtioFault::LengthTooLarge => "the device reports that it wrote 4294967295 bytes into chain",
        VirtioFault::IndexTooFar => "the device reports that it used 16384 chains",
        VirtioFault::IndexBackwards => "the device reports that it used 65535 chains",
        VirtioFault::EmptyBuffers => "the device returned no bytes",
        VirtioFault::NoCompletion => unreachable!("nobody is told"),
    }
}

/// The driver has said what was wrong, and has reset the device.
#[track_caller]
fn is_set_aside(guest: &Guest, slot: usize, lie: VirtioFault, proxy: &Proxy) {
    let said = guest.wait_for(&format!("0000:00:{slot:02x}.0: quarantined: "));
    assert!(said.contains(complaint(lie)), "{lie:?}: {said}");
    let status = |access: &Access| match *access {
        Access::BarWrite { offset: STATUS, value, .. } => Some(value),
        _ => None,
    };
    assert_eq!(proxy.accesses().iter().rev().find_map(status), Some(0), "{lie:?}: it is not reset");
}

#[test]
fn sources_of_randomness_that_lie_are_set_aside() {
    let lies = [
        VirtioFault::IdNotPosted,
        VirtioFault::IdOutOfRange,
        VirtioFault::LengthTooLarge,
        VirtioFault::IndexTooFar,
        VirtioFault::IndexBackwards,
        VirtioFault::EmptyBuffers,
    ];
    let memory = GuestMemory::mebibytes(MEMORY);
    let (guest, proxies) = boot(&memory, machine_with(&memory), VirtioKind::Rng, &lies);
    serves(&guest);
    for ((lie, slot), proxy) in lies.into_iter().zip(SHARED).zip(&proxies) {
        is_set_aside(&guest, slot, lie, proxy);
    }
}

#[test]
fn network_cards_that_lie_are_set_aside() {
    let lies = [
        VirtioFault::IdOutOfRange,
        VirtioFault::LengthTooLarge,
        VirtioFault::IndexTooFar,
        VirtioFault::IndexBackwards,
        VirtioFault::EmptyBuffers,
    ];
    let memory = GuestMemory::mebibytes(MEMORY);
    let (guest, proxies) = boot(&memory, machine_with(&memory), VirtioKind::Net, &lies);
    serves(&guest);
    // The last one gives all buffers back at once, without a frame, for as long as it is given more. It keeps the CPU
    // busy, and nobody from being served.
    for ((lie, slot), proxy) in lies.into_iter().zip(SHARED).zip(&proxies).take(4) {
        is_set_aside(&guest, slot, lie, proxy);
    }
}

#[test]
fn a_disk_that_lies_is_set_aside() {
    for lie in [
        VirtioFault::IdNotPosted,
        VirtioFault::IdOutOfRange,
        VirtioFault::LengthTooLarge,
        VirtioFault::IndexTooFar,
        VirtioFault::IndexBackwards,
    ] {
        let memory = GuestMemory::mebibytes(MEMORY);
        let qemu = Qemu::new(Machine::Q35).shared_memory(&memory).nic_device("virtio-net-pci,addr=1");
        let (guest, proxies) = boot(&memory, qemu, VirtioKind::Blk, &[lie]);
        let hello = guest.client().get("/hello").expect("the page");
        assert_eq!(hello.status, 200);
        is_set_aside(&guest, SHARED[0], lie, &proxies[0]);
        guest.wait_for("no files: 0000:00:05.0: ");
    }
}
