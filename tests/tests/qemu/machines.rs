//! Machines and topologies: each boots, serves a file from its disk, and routes its interrupts to the right lines.

use switchboard_tests::{Boot, FunctionReport, Guest, Irq, Machine, Nic, Qemu, serves_the_file};

/// Returns the one function that `driver` is bound to.
#[track_caller]
fn function(guest: &Guest, driver: &str) -> FunctionReport {
    let functions = guest.functions();
    let found = functions.iter().find(|function| function.driver.as_deref() == Some(driver));
    found.unwrap_or_else(|| panic!("no {driver} in {functions:#?}")).clone()
}

/// Returns the GSI of its line, which must come from the chipset's registers.
#[track_caller]
fn line(guest: &Guest, driver: &str) -> u32 {
    let function = function(guest, driver);
    let route = function.route.as_ref().unwrap_or_else(|| panic!("no line: {function:#?}"));
    assert_eq!((function.mode.as_str(), route.source.as_str()), ("intx", "chipset"), "{function:#?}");
    assert!(guest.interrupts().claimed(driver) > 0, "a line without an interrupt: {function:#?}");
    route.gsi
}

/// Checks that the e1000, which has no messages, has no driver for `reason`.
#[track_caller]
fn has_no_driver(guest: &Guest, reason: &str) {
    let functions = guest.functions();
    let card =
        functions.iter().find(|function| (function.vendor.as_str(), function.device.as_str()) == ("8086", "100e"));
    let card = card.unwrap_or_else(|| panic!("no e1000 in {functions:#?}"));
    assert!(
        card.driver.is_none() && card.state.starts_with("failed: e1000: ") && card.state.contains(reason),
        "{card:#?}"
    );
}

/// A machine with a network card and a disk behind bridges.
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

    /// Checks that it serves by MSI-X.
    fn by_messages(&self) {
        let guest = self.qemu.start();
        serves_the_file(&guest);
        for driver in [self.nic, "virtio-blk"] {
            assert_eq!(function(&guest, driver).mode, "msix");
        }
    }

    /// Checks that it serves by lines, with these GSIs.
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

/// GRUB loads the image and passes the command line.
#[test]
fn iso_on_bios() {
    let guest = Qemu::new(Machine::Pc).boot(Boot::Iso).nic(Nic::Virtio).files().irq(Irq::Intx).start();
    serves_the_file(&guest);
    guest.wait_for("boot: by Multiboot2");
    assert_eq!((line(&guest, "virtio-net"), line(&guest, "virtio-blk")), (10, 11));
}

/// UEFI assigns 64-bit BARs above 4 GiB, and reserves some of the memory.
#[test]
fn iso_on_uefi() {
    let qemu = Qemu::new(Machine::Q35).boot(Boot::Uefi).nic(Nic::Virtio).files().device("pci-testdev,membar=8G");
    let guest = qemu.start();
    serves_the_file(&guest);
    guest.wait_for("boot: by Multiboot2 on UEFI");
    for driver in ["virtio-net", "virtio-blk"] {
        let function = function(&guest, driver);
        assert_eq!(function.mode, "msix");
        assert!(function.bars.iter().any(|bar| bar.address_value() >= Some(1 << 32)), "{function:#?}");
    }
}

#[test]
fn iso_on_uefi_by_lines() {
    let qemu = Qemu::new(Machine::Q35).boot(Boot::Uefi).irq(Irq::Intx);
    let guest = qemu.nic_device("e1000,addr=5").files_on("virtio-blk-pci,addr=0x1d").start();
    serves_the_file(&guest);
    // The pin of slot 0x1d is routed by registers of the chipset.
    assert_eq!((line(&guest, "e1000"), line(&guest, "virtio-blk")), (21, 16));
}

/// SeaBIOS moves all 64-bit BARs above 4 GiB when one does not fit below; here also above RAM that reaches beyond 4
/// GiB.
#[test]
fn q35_with_8_gib_above_5_gib() {
    let qemu = Qemu::new(Machine::Q35).memory("5G").nic(Nic::Virtio).files().device("pci-testdev,membar=8G");
    let guest = qemu.start();
    serves_the_file(&guest);
    let function = function(&guest, "virtio-net");
    assert!(function.bars.iter().any(|bar| bar.address_value() >= Some(6 << 30)), "{function:#?}");
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

/// A root bus that no bridge of bus 0 leads to.
#[test]
fn q35_expander() {
    let bridges = [
        "pxb-pcie,id=expander,bus_nr=128,addr=5",
        "pcie-root-port,id=first,bus=expander,addr=0,chassis=1",
        "pcie-root-port,id=second,bus=expander,addr=1,chassis=2",
    ];
    let topology = Topology::new(Machine::Q35, &bridges, "virtio-net-pci,bus=first", "virtio-blk-pci,bus=second");
    topology.by_messages();
    topology.by_lines(22, 20);
}

#[test]
fn pc_expander() {
    let bridges = ["pxb,id=expander,bus_nr=128,addr=5"];
    Topology::new(Machine::Pc, &bridges, "virtio-net-pci,bus=expander,addr=1", "virtio-blk-pci,bus=pci.0,addr=3")
        .by_lines(10, 11);
}

/// Expanders route differently, and with two of them it is unknown which one leads to a bus: the function behind
/// reports that, and the others work.
#[test]
fn q35_two_expanders() {
    let bridges = [
        "pxb-pcie,id=near,bus_nr=64,addr=4",
        "pxb-pcie,id=far,bus=pcie.0,bus_nr=128,addr=5",
        "pcie-root-port,id=root,bus=far,chassis=1",
        "pcie-pci-bridge,id=conventional,bus=root",
        "pcie-root-port,id=other,bus=near,chassis=2",
    ];
    let qemu = bridges.iter().fold(Qemu::new(Machine::Q35), |qemu, bridge| qemu.bridge(bridge));
    let qemu = qemu.nic_device("virtio-net-pci,bus=other").files_on("virtio-blk-pci,bus=pcie.0");
    let guest = qemu.device("e1000,bus=conventional,addr=4,romfile=").start();
    serves_the_file(&guest);
    has_no_driver(
        &guest,
        "no route for INTA of 0000:80:00.0: which of 2 expander bridges it came through is not known",
    );
}

/// Without ACPI, the I/O APIC is that of the MP table: of qboot in base memory, of SeaBIOS in the BIOS area.
#[test]
fn without_acpi_lines_are_those_of_the_mp_table() {
    for (machine, nic, disk) in [(Machine::Q35Qboot, 21, 23), (Machine::Pc, 10, 11)] {
        let mut topology = Topology::new(machine, &[], "e1000,addr=9", "virtio-blk-pci,addr=3");
        topology.qemu = topology.qemu.argument("-machine", "acpi=off");
        let guest = topology.qemu.irq(Irq::Intx).start();
        serves_the_file(&guest);
        guest.wait_for("no ACPI tables: lines by the MP table");
        assert_eq!((line(&guest, "e1000"), line(&guest, "virtio-blk")), (nic, disk));
    }
}

#[test]
fn q35_conventional_bridges_behind_express() {
    let bridges = [
        "pcie-root-port,id=root,addr=6,chassis=1",
        "pcie-pci-bridge,id=near,bus=root",
        "pci-bridge,id=far,bus=near,addr=3,chassis_nr=2",
    ];
    Topology::new(Machine::Q35, &bridges, "e1000,bus=far,addr=7", "virtio-blk-pci,bus=near,addr=5").by_lines(20, 23);
    Topology::new(Machine::Q35, &bridges, "e1000,bus=near,addr=6", "virtio-blk-pci,bus=pcie.0,addr=0x1b")
        .by_lines(20, 16);
}

#[test]
fn pc_bridges() {
    let bridges = ["pci-bridge,id=near,addr=5,chassis_nr=1", "pci-bridge,id=far,bus=near,addr=2,chassis_nr=2"];
    let topology =
        Topology::new(Machine::Pc, &bridges, "virtio-net-pci,bus=far,addr=6", "virtio-blk-pci,bus=near,addr=6");
    topology.by_messages();
    topology.by_lines(10, 11);
}

/// Extended capabilities of a port, behind the first 256 bytes of its configuration space.
#[test]
fn extended_capabilities_are_reported() {
    let guest =
        Qemu::new(Machine::Q35).bridge("pcie-root-port,id=above,chassis=9,addr=9").nic(Nic::Virtio).files().start();
    serves_the_file(&guest);
    let functions = guest.functions();
    let port = functions.iter().find(|function| function.device == "000c").unwrap_or_else(|| panic!("{functions:#?}"));
    let errors = port.extended.first().unwrap_or_else(|| panic!("{port:#?}"));
    let (name, offset) = (errors.name.as_deref(), errors.offset.as_str());
    assert_eq!((errors.id.as_str(), name, offset), ("0001", Some("advanced error reporting"), "0x100"), "{port:#?}");
    let bridge =
        functions.iter().find(|function| function.class == "060000").unwrap_or_else(|| panic!("{functions:#?}"));
    assert!(bridge.extended.is_empty(), "{bridge:#?}");
}
