//! Devices that match the image's drivers, and whose registers return arbitrary values: the page and the files must be
//! served all the same.

use switchboard_tests::Irq;
use switchboard_tests::proxy::{ConfigBuilder, Garbage, Proxy, VirtioKind};

use super::{SLOTS, machine, serves, start};

/// Returns one function for each driver, with messages where the real device has them.
fn supported_functions() -> [ConfigBuilder; 11] {
    let virtio = |kind: VirtioKind| kind.config().memory(1, 0x1000).msix(4, 1, 0x800);
    [
        VirtioKind::Net.config(),
        VirtioKind::Blk.config(),
        VirtioKind::Rng.config(),
        virtio(VirtioKind::Net),
        virtio(VirtioKind::Blk),
        virtio(VirtioKind::Rng),
        ConfigBuilder::new(0x8086, 0x100e, 0x02_00_00).memory(0, 0x2_0000).ports(1, 0x40),
        ConfigBuilder::new(0x8086, 0x10d3, 0x02_00_00).memory(0, 0x2_0000).memory(3, 0x4000).msi(1).msix(5, 3, 0x2000),
        ConfigBuilder::new(0x1033, 0x0194, 0x0c_03_30).memory64(0, 0x4000).msi(16).msix(16, 0, 0x3800),
        ConfigBuilder::new(0x1234, 0x11e8, 0x00_ff_00).memory(0, 0x10_0000).msi(1),
        ConfigBuilder::new(0x1af4, 0x1110, 0x05_00_00)
            .memory(0, 0x100)
            .memory(1, 0x1000)
            .memory64(2, 0x1000)
            .msix(8, 1, 0x800),
    ]
}

/// Boots with two of each function, all with different values.
fn survives(round: u64, irq: Irq) {
    let mut qemu = machine().irq(irq);
    let mut proxies = Vec::new();
    let seeds = round * 0x100..;
    for ((slot, config), seed) in SLOTS.zip(supported_functions().iter().cycle()).take(22).zip(seeds) {
        let (proxy, with) =
            Proxy::attach(qemu, &format!("addr={slot:#x}"), config.space(), Box::new(Garbage::new(seed)));
        proxies.push(proxy);
        qemu = with;
    }
    let guest = start(qemu, &proxies);
    serves(&guest);
    let reached = proxies.iter().filter(|proxy| proxy.access_count() > 60).count();
    let live = guest.functions().iter().filter(|function| function.state == "live").count();
    println!("round {round}, {irq:?}: {reached} of {} were accessed, {live} functions live", proxies.len());
    assert!(guest.is_running() && reached > 0);
}

#[test]
fn arbitrary_register_values_do_no_harm() {
    if !Proxy::is_supported() {
        return;
    }
    for round in 0..2 {
        survives(round, Irq::Auto);
        survives(round, Irq::Intx);
    }
}

#[test]
#[ignore = "long: run by `make test-load`"]
fn arbitrary_register_values_do_no_harm_for_long() {
    if !Proxy::is_supported() {
        return;
    }
    for round in 2..40 {
        survives(round, if round % 2 == 0 { Irq::Auto } else { Irq::Intx });
    }
}
