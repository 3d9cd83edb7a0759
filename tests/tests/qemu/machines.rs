//! Machines and topologies: each boots, serves a file from its disk, and has its interrupts where it should.

use switchboard_tests::{Boot, FunctionReport, Guest, Irq, Machine, Nic, Qemu, serves_the_file};

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

/// A network card and a disk, behind bridges.
struct Topology {
    qemu: Qemu,
    nic: &'static str,
}

impl Topology {
    fn new(machine: Machine, bridges: &[&str], nic: &str, disk: &str) -> Self {
        let qemu = bridges.iter().fold(Qemu::new(machine), |qemu, bridge| qemu.bridge(bridge));
        let driver = if nic.starts_with("e1000") { "e1000" } else { "virtio-net" };
        Self { qemu: qemu.nic_device(nic).files_on(disk), nic: driver }
    }

    /// It serves by messages.
    fn by_messages(&self) {
        let guest = self.qemu.start();
        serves_the_file(&guest);
        for driver in [self.nic, "virtio-blk"] {
            assert_eq!(function(&guest, driver).mode, "msix");
        }
    }

    /// It serves by the lines of those numbers.
    fn by_lines(self, nic: u32, disk: u32) {
        let guest = self.qemu.irq(Irq::Intx).start();
        serves_the_file(&guest);
        assert_eq!((line(&guest, self.nic), line(&guest, "virtio-blk")), (nic, disk));
    }
}

#[test]
fn q35_qboot_by_lines() {
    let bridges = ["pcie-root-port,id=root,addr=5,chassis=1"];
    Topology::new(Machine::Q35Qboot, &bridges, "virtio-net-pci,addr=4", "virtio-blk-pci,bus=root").by_lines(20, 21);
    Topology::new(Machine::Q35Qboot, &[], "e1000,addr=3", "virtio-blk-pci,addr=0x1d").by_lines(23, 16);
}

#[test]
fn microvm_by_lines() {
    let bridges = ["pcie-root-port,id=root,addr=6,chassis=1"];
    Topology::new(Machine::Microvm, &bridges, "virtio-net-pci,addr=4", "virtio-blk-pci,bus=root").by_lines(16, 18);
    Topology::new(Machine::Microvm, &[], "e1000,addr=3", "virtio-blk-pci,addr=2").by_lines(19, 18);
}

/// GRUB loads the image and hands over the command line.
#[test]
fn iso_on_bios() {
    let guest = Qemu::new(Machine::Pc).boot(Boot::Iso).nic(Nic::Virtio).files().irq(Irq::Intx).start();
    serves_the_file(&guest);
    guest.wait_for("boot: by Multiboot2");
    assert_eq!((line(&guest, "virtio-net"), line(&guest, "virtio-blk")), (10, 11));
}

/// UEFI puts 64-bit BARs where only 64 bits reach, and keeps some of the memory.
#[test]
fn iso_on_uefi() {
    let qemu = Qemu::new(Machine::Q35).boot(Boot::Uefi).nic(Nic::Virtio).files().device("pci-testdev,membar=8G");
    let guest = qemu.start();
    serves_the_file(&guest);
    guest.wait_for("boot: by Multiboot2 on UEFI");
    for driver in ["virtio-net", "virtio-blk"] {
        let function = function(&guest, driver);
        assert_eq!(function.mode, "msix");
        assert!(function.bars.iter().any(|bar| bar.place() >= Some(1 << 32)), "{function:#?}");
    }
}

#[test]
fn iso_on_uefi_by_lines() {
    let guest = Qemu::new(Machine::Q35).boot(Boot::Uefi).nic(Nic::E1000).files().irq(Irq::Intx).start();
    serves_the_file(&guest);
    line(&guest, "e1000");
    line(&guest, "virtio-blk");
}

/// SeaBIOS moves the others' 64-bit BARs up with one that has no room below; here above memory that is above 4 GiB.
#[test]
fn q35_with_8_gib_above_5_gib() {
    let qemu = Qemu::new(Machine::Q35).memory("5G").nic(Nic::Virtio).files().device("pci-testdev,membar=8G");
    let guest = qemu.start();
    serves_the_file(&guest);
    let function = function(&guest, "virtio-net");
    assert!(function.bars.iter().any(|bar| bar.place() >= Some(6 << 30)), "{function:#?}");
}

#[test]
fn q35_switch() {
    let bridges = [
        "pcie-root-port,id=root,addr=5,chassis=1",
        "x3130-upstream,id=up,bus=root",
        "xio3130-downstream,id=first,bus=up,addr=0,chassis=2",
        "xio3130-downstream,id=second,bus=up,addr=3,chassis=3",
    ];
    let topology = Topology::new(Machine::Q35, &bridges, "virtio-net-pci,bus=first", "virtio-blk-pci,bus=second");
    topology.by_messages();
    topology.by_lines(21, 20);
}

#[test]
fn q35_conventional_bridges_behind_express() {
    let bridges = [
        "pcie-root-port,id=root,addr=6,chassis=1",
        "pcie-pci-bridge,id=near,bus=root",
        "pci-bridge,id=far,bus=near,addr=3,chassis_nr=2",
    ];
    Topology::new(Machine::Q35, &bridges, "e1000,bus=far,addr=7", "virtio-blk-pci,bus=near,addr=5").by_lines(20, 23);
}

#[test]
fn pc_bridges() {
    let bridges = ["pci-bridge,id=near,addr=5,chassis_nr=1", "pci-bridge,id=far,bus=near,addr=2,chassis_nr=2"];
    let topology =
        Topology::new(Machine::Pc, &bridges, "virtio-net-pci,bus=far,addr=6", "virtio-blk-pci,bus=near,addr=6");
    topology.by_messages();
    topology.by_lines(10, 11);
}
