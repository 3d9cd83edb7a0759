//! Machines and topologies: each boots, serves a file from its disk, and has its interrupts where it should.

use switchboard_tests::{BarReport, Boot, FunctionReport, Guest, Irq, Machine, Nic, Qemu, mebibyte_file, sha256};

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

/// Where a BAR is.
#[track_caller]
fn address(bar: &BarReport) -> u64 {
    let digits = bar.address.as_deref().and_then(|address| address.strip_prefix("0x"));
    let digits = digits.unwrap_or_else(|| panic!("no address: {bar:?}"));
    u64::from_str_radix(digits, 16).expect("hexadecimal digits")
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
fn q35_with_nothing_assigned() {
    let bridges = ["pcie-root-port,id=root,addr=5,chassis=1"];
    topology(Machine::Q35Qboot, &bridges, ("virtio-net-pci,addr=4", 20), ("virtio-blk-pci,bus=root", 21));
    topology(Machine::Q35Qboot, &[], ("e1000,addr=3", 23), ("virtio-blk-pci,addr=0x1d", 16));
}

#[test]
fn microvm() {
    let bridges = ["pcie-root-port,id=root,addr=6,chassis=1"];
    topology(Machine::Microvm, &bridges, ("virtio-net-pci,addr=4", 16), ("virtio-blk-pci,bus=root", 18));
    topology(Machine::Microvm, &[], ("e1000,addr=3", 19), ("virtio-blk-pci,addr=2", 18));
}

/// GRUB loads the image and hands over the command line.
#[test]
fn iso_on_bios() {
    let guest = Qemu::new(Machine::Pc).boot(Boot::Iso).nic(Nic::Virtio).files().irq(Irq::Intx).start();
    serves(&guest);
    guest.wait_for("boot: by Multiboot2");
    assert_eq!((line(&guest, "virtio-net"), line(&guest, "virtio-blk")), (10, 11));
}

/// UEFI puts 64-bit BARs where only 64 bits reach, and keeps some of the memory.
#[test]
fn iso_on_uefi() {
    let qemu = Qemu::new(Machine::Q35).boot(Boot::Uefi).nic(Nic::Virtio).files().device("pci-testdev,membar=8G");
    let guest = qemu.start();
    serves(&guest);
    guest.wait_for("boot: by Multiboot2 on UEFI");
    for driver in ["virtio-net", "virtio-blk"] {
        let function = function(&guest, driver);
        assert_eq!(function.mode, "msix");
        let is_high = |bar: &BarReport| bar.kind == "mem64" && address(bar) >= 1 << 32;
        assert!(function.bars.iter().any(is_high), "{function:#?}");
    }
}

#[test]
fn iso_on_uefi_by_lines() {
    let guest = Qemu::new(Machine::Q35).boot(Boot::Uefi).nic(Nic::E1000).files().irq(Irq::Intx).start();
    serves(&guest);
    line(&guest, "e1000");
    line(&guest, "virtio-blk");
}

/// SeaBIOS moves the others' 64-bit BARs up with one that has no room below.
#[test]
fn q35_with_8_gib_of_device_memory() {
    for memory in ["128M", "3G"] {
        let qemu = Qemu::new(Machine::Q35).memory(memory).nic(Nic::Virtio).files().device("pci-testdev,membar=8G");
        let guest = qemu.start();
        serves(&guest);
        let function = function(&guest, "virtio-net");
        assert!(function.bars.iter().any(|bar| address(bar) >= 1 << 32), "{function:#?}");
    }
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
