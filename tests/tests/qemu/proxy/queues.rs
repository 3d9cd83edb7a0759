//! Virtio devices that break the rules of their queues: each is quarantined with a reason, and the machine runs on.
//!
//! They cannot interrupt. But when a busy network card interrupts on a shared line, all handlers on the line are
//! called, and these devices then report work in their ISR status.

use switchboard_tests::proxy::{Access, FaultyVirtio, GuestMemory, Proxy, VirtioFault, VirtioKind};
use switchboard_tests::{Guest, Irq, Machine, Qemu};

use super::{MEMORY, machine_with, serves, start};

/// Slots whose line is that of slot 1, the network card's, on q35.
const SHARED: [usize; 6] = [0x5, 0x9, 0xd, 0x11, 0x15, 0x19];
/// Offset of the device status register.
const STATUS: u64 = 20;

/// Adds devices of a kind, each with one of the faults, and boots.
fn boot(memory: &GuestMemory, qemu: Qemu, kind: VirtioKind, faults: &[VirtioFault]) -> (Guest, Vec<Proxy>) {
    let mut qemu = qemu.irq(Irq::Intx);
    let mut proxies = Vec::new();
    for (&fault, slot) in faults.iter().zip(SHARED) {
        let device = FaultyVirtio::new(memory, kind, fault);
        let (proxy, with) = Proxy::attach(qemu, &format!("addr={slot:#x}"), kind.config().space(), Box::new(device));
        proxies.push(proxy);
        qemu = with;
    }
    (start(qemu, &proxies), proxies)
}

/// Returns the driver's message for a fault.
fn message(fault: VirtioFault) -> &'static str {
    match fault {
        VirtioFault::IdNotPosted | VirtioFault::IdOutOfRange => "the device returned chain",
        VirtioFault::LengthTooLarge => "the device reports that it wrote 4294967295 bytes into chain",
        VirtioFault::IndexTooFar => "the device reports that it used 16384 chains",
        VirtioFault::IndexBackwards => "the device reports that it used 65535 chains",
        VirtioFault::EmptyBuffers => "the device returned no bytes",
        VirtioFault::NoCompletion => unreachable!("no completion, no message"),
    }
}

/// Checks that the driver has logged the reason and has reset the device.
#[track_caller]
fn is_quarantined(guest: &Guest, slot: usize, fault: VirtioFault, proxy: &Proxy) {
    let line = guest.wait_for(&format!("0000:00:{slot:02x}.0: quarantined: "));
    assert!(line.contains(message(fault)), "{fault:?}: {line}");
    let status = |access: &Access| match *access {
        Access::BarWrite { offset: STATUS, value, .. } => Some(value),
        _ => None,
    };
    assert_eq!(proxy.accesses().iter().rev().find_map(status), Some(0), "{fault:?}: it is not reset");
}

#[test]
fn faulty_entropy_sources_are_quarantined() {
    if !Proxy::is_supported() {
        return;
    }
    let faults = [
        VirtioFault::IdNotPosted,
        VirtioFault::IdOutOfRange,
        VirtioFault::LengthTooLarge,
        VirtioFault::IndexTooFar,
        VirtioFault::IndexBackwards,
        VirtioFault::EmptyBuffers,
    ];
    let memory = GuestMemory::mebibytes(MEMORY);
    let (guest, proxies) = boot(&memory, machine_with(&memory), VirtioKind::Rng, &faults);
    serves(&guest);
    for ((fault, slot), proxy) in faults.into_iter().zip(SHARED).zip(&proxies) {
        is_quarantined(&guest, slot, fault, proxy);
    }
}

#[test]
fn faulty_network_cards_are_quarantined() {
    if !Proxy::is_supported() {
        return;
    }
    let faults = [
        VirtioFault::IdOutOfRange,
        VirtioFault::LengthTooLarge,
        VirtioFault::IndexTooFar,
        VirtioFault::IndexBackwards,
        VirtioFault::EmptyBuffers,
    ];
    let memory = GuestMemory::mebibytes(MEMORY);
    let (guest, proxies) = boot(&memory, machine_with(&memory), VirtioKind::Net, &faults);
    serves(&guest);
    // The last device completes all buffers at once with zero bytes, and continues with new ones. That keeps the CPU
    // busy, but does not stop the service of others.
    for ((fault, slot), proxy) in faults.into_iter().zip(SHARED).zip(&proxies).take(4) {
        is_quarantined(&guest, slot, fault, proxy);
    }
}

#[test]
fn a_faulty_disk_is_quarantined() {
    if !Proxy::is_supported() {
        return;
    }
    for fault in [
        VirtioFault::IdNotPosted,
        VirtioFault::IdOutOfRange,
        VirtioFault::LengthTooLarge,
        VirtioFault::IndexTooFar,
        VirtioFault::IndexBackwards,
    ] {
        let memory = GuestMemory::mebibytes(MEMORY);
        let qemu = Qemu::new(Machine::Q35).shared_memory(&memory).nic_device("virtio-net-pci,addr=1");
        let (guest, proxies) = boot(&memory, qemu, VirtioKind::Blk, &[fault]);
        let hello = guest.client().get("/hello").expect("the page");
        assert_eq!(hello.status, 200);
        is_quarantined(&guest, SHARED[0], fault, &proxies[0]);
        guest.wait_for("no files: 0000:00:05.0: ");
    }
}
