//! Machines and topologies: each boots, serves a file from its disk, and has its interrupts where it should.

use switchboard_tests::{FunctionReport, Guest, Irq, Machine, Qemu, mebibyte_file, sha256};

/// Fetches the file, which the disk reads and the network carries.
fn serves(guest: &Guest) {
    let file = guest.client().get("/files/1mib.bin").expect("the file");
    assert_eq!((file.status, sha256(&file.body)), (200, sha256(&mebibyte_file())));
}

/// The one function that `driver` has.
#[track_caller]
fn function(guest: &Guest, driver: &str) -> FunctionReport {
    let functions = guest.functions();
    let found = functions.iter().find(|function| function.driver.as_deref() == Some(driver));
    found.unwrap_or_else(|| panic!("no {driver} in {functions:#?}")).clone()
}

/// Its line, by what the chipset tells.
#[track_caller]
fn line(guest: &Guest, driver: &str) -> u32 {
    let function = function(guest, driver);
    let route = function.route.as_ref().unwrap_or_else(|| panic!("no line: {function:#?}"));
    assert_eq!((function.mode.as_str(), route.source.as_str()), ("intx", "chipset"), "{function:#?}");
    assert!(guest.interrupts().claimed(driver) > 0, "a line that never rang: {function:#?}");
    route.gsi
}

/// The network card and the disk at those places: it serves by messages, and by the lines of those numbers.
fn topology(machine: Machine, bridges: &[&str], (nic, nic_line): (&str, u32), (disk, disk_line): (&str, u32)) {
    let qemu = bridges.iter().fold(Qemu::new(machine), |qemu, bridge| qemu.bridge(bridge));
    let qemu = qemu.nic_device(nic).files_on(disk);
    let driver = if nic.starts_with("e1000") { "e1000" } else { "virtio-net" };
    if driver != "e1000" {
        let guest = qemu.clone().start();
        serves(&guest);
        for driver in [driver, "virtio-blk"] {
            assert_eq!(function(&guest, driver).mode, "msix");
        }
    }
    let guest = qemu.irq(Irq::Intx).start();
    serves(&guest);
    assert_eq!((line(&guest, driver), line(&guest, "virtio-blk")), (nic_line, disk_line));
}

#[test]
fn q35_switch() {
    let bridges = [
        "pcie-root-port,id=root,addr=5,chassis=1",
        "x3130-upstream,id=up,bus=root",
        "xio3130-downstream,id=first,bus=up,addr=0,chassis=2",
        "xio3130-downstream,id=second,bus=up,addr=3,chassis=3",
    ];
    topology(Machine::Q35, &bridges, ("virtio-net-pci,bus=first", 21), ("virtio-blk-pci,bus=second", 20));
}

#[test]
fn q35_conventional_bridges_behind_express() {
    let bridges = [
        "pcie-root-port,id=root,addr=6,chassis=1",
        "pcie-pci-bridge,id=near,bus=root",
        "pci-bridge,id=far,bus=near,addr=3,chassis_nr=2",
    ];
    topology(Machine::Q35, &bridges, ("e1000,bus=far,addr=7", 20), ("virtio-blk-pci,bus=near,addr=5", 23));
}

#[test]
fn pc_bridges() {
    let bridges = ["pci-bridge,id=near,addr=5,chassis_nr=1", "pci-bridge,id=far,bus=near,addr=2,chassis_nr=2"];
    topology(Machine::Pc, &bridges, ("virtio-net-pci,bus=far,addr=6", 10), ("virtio-blk-pci,bus=near,addr=6", 11));
}
