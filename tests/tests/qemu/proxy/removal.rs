//! Surprise removal of functions in use: all ones from one access to the next.

use switchboard_tests::Irq;
use switchboard_tests::proxy::{
    Access, ConfigBuilder, FaultyVirtio, GuestMemory, Ones, Proxy, VirtioFault, VirtioKind,
};

use super::{MEMORY, machine_with, serves, start};

/// Devices on the line of the network card of slot 1, on q35, so that their handlers are called.
const SHARED: [(u8, VirtioKind); 4] =
    [(0x5, VirtioKind::Net), (0x9, VirtioKind::Blk), (0xd, VirtioKind::Rng), (0x11, VirtioKind::Net)];
/// Slot of a function without a driver.
const IDLE: u8 = 0x6;

#[test]
fn functions_removed_by_surprise_are_gone_and_the_rest_works() {
    if !Proxy::is_supported() {
        return;
    }
    let memory = GuestMemory::mebibytes(MEMORY);
    let idle = ConfigBuilder::new(0x1912, 0x0015, 0x0c_03_30).memory64(0, 0x2000).msi(8);
    let (idle, mut qemu) =
        Proxy::attach(machine_with(&memory).irq(Irq::Intx), &format!("addr={IDLE:#x}"), idle.space(), Box::new(Ones));
    let mut used = Vec::new();
    for (slot, kind) in SHARED {
        let device = FaultyVirtio::new(&memory, kind, VirtioFault::NoCompletion);
        let (proxy, with) = Proxy::attach(qemu, &format!("addr={slot:#x}"), kind.config().space(), Box::new(device));
        used.push(proxy);
        qemu = with;
    }
    let guest = start(qemu, used.iter().chain([&idle]));
    serves(&guest);
    let state = |slot: u8| {
        let functions = guest.functions();
        let address = format!("0000:00:{slot:02x}.0");
        functions.into_iter().find(|function| function.address == address).map(|function| function.state)
    };
    for (slot, kind) in SHARED {
        assert_eq!(state(slot).as_deref(), Some("live"), "{kind:?}");
    }

    let before: Vec<_> = used.iter().map(Proxy::access_count).collect();
    used.iter().chain([&idle]).for_each(Proxy::remove);
    // The next interrupt of the card reveals the removal.
    serves(&guest);
    for (slot, kind) in SHARED {
        guest.wait_for(&format!("0000:00:{slot:02x}.0: gone"));
        assert_eq!(state(slot).as_deref(), Some("gone"), "{kind:?}");
    }
    // The others on the line are served as before, and removed functions are no longer accessed.
    let counts = || used.iter().map(Proxy::access_count).collect::<Vec<_>>();
    let noticed = counts();
    serves(&guest);
    assert_eq!(noticed, counts(), "accesses to removed functions");
    for (proxy, before) in used.iter().zip(before) {
        let after = proxy.accesses().split_off(usize::try_from(before).expect("few"));
        let is_write = |access: &Access| matches!(access, Access::ConfigWrite(_) | Access::BarWrite { .. });
        assert!(!after.is_empty() && !after.iter().any(is_write), "{after:x?}");
    }
}
