//! Machines whose firmware assigned BARs, bridge windows and bus numbers not at all, or in part: the image assigns the
//! rest.

use switchboard_tests::{BarReport, FunctionReport, Machine, Nic, Qemu, Qmp, serves_the_file};

const GIB: u64 = 1 << 30;

/// Returns a machine with a switch, and with conventional PCI behind a port; disk and network card are at the far ends.
fn behind_bridges(machine: Machine) -> Qemu {
    let bridges = [
        "pcie-root-port,id=near,addr=5,chassis=1",
        "pcie-root-port,id=root,addr=6,chassis=2",
        "x3130-upstream,id=up,bus=root",
        "xio3130-downstream,id=first,bus=up,addr=0,chassis=3",
        "xio3130-downstream,id=second,bus=up,addr=3,chassis=4",
        "pcie-pci-bridge,id=conventional,bus=near",
    ];
    let qemu = bridges.iter().fold(Qemu::new(machine), |qemu, bridge| qemu.bridge(bridge));
    qemu.nic_device("virtio-net-pci,bus=conventional,addr=3").files_on("virtio-blk-pci,bus=second")
}

/// Checks that every BAR has an address that is a multiple of its size, and that none overlap. On a machine that
/// decodes no ports, BARs of ports have no address.
#[track_caller]
fn all_assigned(functions: &[FunctionReport], machine: Machine) {
    let mut ranges = Vec::new();
    for bar in functions.iter().flat_map(|function| &function.bars) {
        match bar.address_value() {
            Some(start) => {
                assert_eq!(start % bar.size, 0, "{bar:?}");
                ranges.push((bar.kind == "io", start, start + bar.size));
            }
            None => assert!(machine == Machine::Microvm && bar.kind == "io", "{bar:?} in {functions:#?}"),
        }
    }
    assert!(ranges.len() >= 4, "{functions:#?}");
    ranges.sort_unstable();
    for pair in ranges.windows(2) {
        let ((is_io, _, end), (next_is_io, start, _)) = (pair[0], pair[1]);
        assert!(is_io != next_is_io || end <= start, "{pair:x?}");
    }
}

fn boots(qemu: &Qemu, machine: Machine, expected: &str) {
    let guest = qemu.start();
    guest.wait_for(expected);
    serves_the_file(&guest);
    all_assigned(&guest.functions(), machine);
}

#[test]
fn q35_qboot() {
    let qemu = Qemu::new(Machine::Q35Qboot).nic(Nic::Virtio).files().device("VGA");
    boots(&qemu, Machine::Q35Qboot, "assigned 11 BARs, 0 windows, 0 buses");
}

#[test]
fn q35_qboot_e1000() {
    boots(&Qemu::new(Machine::Q35Qboot).nic(Nic::E1000).files(), Machine::Q35Qboot, " BARs, 0 windows, 0 buses");
}

#[test]
fn microvm() {
    let qemu = Qemu::new(Machine::Microvm).nic(Nic::Virtio).files();
    boots(&qemu, Machine::Microvm, "assigned 4 BARs, 0 windows, 0 buses");
}

/// Here the firmware numbers the buses, and opens no window.
#[test]
fn q35_qboot_bridges() {
    boots(&behind_bridges(Machine::Q35Qboot), Machine::Q35Qboot, " windows, 0 buses");
}

/// Here the firmware numbers no bus.
#[test]
fn microvm_bridges() {
    boots(&behind_bridges(Machine::Microvm), Machine::Microvm, " windows, 6 buses");
}

/// A root bus that no bridge leads to, and whose ports have no bus numbers either.
#[test]
fn q35_qboot_expander() {
    let qemu = Qemu::new(Machine::Q35Qboot)
        .bridge("pxb-pcie,id=expander,bus_nr=128,addr=5")
        .bridge("pcie-root-port,id=near,bus=pcie.0,addr=6,chassis=1")
        .bridge("pcie-root-port,id=far,bus=expander,addr=0,chassis=2")
        .nic_device("virtio-net-pci,bus=far")
        .files_on("virtio-blk-pci,bus=near");
    boots(&qemu, Machine::Q35Qboot, " windows, ");
}

/// A card is added for which the machine had no BARs at boot.
#[test]
fn q35_qboot_assigns_a_hot_plugged_card() {
    let qmp = Qmp::default();
    let qemu = Qemu::new(Machine::Q35Qboot)
        .argument("-global", "ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off")
        .bridge("pcie-root-port,id=bay,chassis=1,slot=7,addr=4")
        .nic(Nic::Virtio)
        .files();
    let guest = qmp.attach(qemu).start();
    serves_the_file(&guest);
    let before = guest.functions();
    qmp.connect().add("pci-testdev", "late", &[("bus", "bay"), ("membar", "8G")]);
    guest.wait_for("assigned 3 BARs");
    let after = guest.functions();
    all_assigned(&after, Machine::Q35Qboot);
    for function in &before {
        let now = after.iter().find(|now| now.address == function.address).map(|now| &now.bars);
        assert_eq!(now, Some(&function.bars), "{} moved", function.address);
    }
    assert!(after.iter().flat_map(|function| &function.bars).any(|bar| bar.size == 8 * GIB), "{after:#?}");
    serves_the_file(&guest);
}

/// Valid assignments of the firmware are kept.
#[test]
fn q35_keeps_the_assignments_of_firmware() {
    let guest = behind_bridges(Machine::Q35).device("VGA").start();
    serves_the_file(&guest);
    all_assigned(&guest.functions(), Machine::Q35);
    let console = guest.console().text();
    assert!(!console.contains(" BARs, "), "{console}");
}

/// Boots with a BAR of 8 GiB on a root bus and one behind a port.
fn eight_gibibytes(machine: Machine) {
    let guest = Qemu::new(machine)
        .nic(Nic::Virtio)
        .files()
        .bridge("pcie-root-port,id=above,addr=9,chassis=1")
        .device("pci-testdev,membar=8G")
        .device("pci-testdev,membar=8G,bus=above")
        .start();
    serves_the_file(&guest);
    let functions = guest.functions();
    all_assigned(&functions, machine);
    let large = functions.iter().flat_map(|function| &function.bars).filter(|bar| bar.size == 8 * GIB);
    let addresses: Vec<_> = large.map(BarReport::address_value).collect();
    assert!(
        addresses.len() == 2 && addresses.iter().all(|address| address.is_some_and(|at| at >= 4 * GIB)),
        "{addresses:x?}"
    );
}

#[test]
fn q35_eight_gibibytes() {
    eight_gibibytes(Machine::Q35);
}

#[test]
fn q35_qboot_eight_gibibytes() {
    eight_gibibytes(Machine::Q35Qboot);
}

#[test]
fn microvm_eight_gibibytes() {
    eight_gibibytes(Machine::Microvm);
}

/// Half of the CPU's address space, which is not all free: the function reports the failure, and the others work.
#[test]
fn q35_qboot_too_large() {
    let guest = Qemu::new(Machine::Q35Qboot).nic(Nic::Virtio).files().device("pci-testdev,membar=512G").start();
    serves_the_file(&guest);
    let functions = guest.functions();
    let bars: Vec<_> = functions.iter().flat_map(|function| &function.bars).collect();
    let large = bars.iter().find(|bar| bar.size == 512 * GIB).expect("the BAR");
    let reason = large.unassigned.as_deref().unwrap_or_default();
    let wanted = "no room: 0x8000000000 bytes of prefetchable memory wanted, the largest hole has 0x";
    assert!(large.address.is_none() && reason.starts_with(wanted), "{large:?}");
    assert!(bars.iter().filter(|bar| bar.size < GIB).all(|bar| bar.address.is_some()), "{bars:#?}");
}
