//! The edu device: a factorial by interrupt and a round trip by DMA, in each interrupt mode.

use switchboard_tests::{Exit, Irq, Machine, Qemu};

fn edu(machine: Machine, irq: Irq, mode: &str) {
    let guest = Qemu::new(machine).device("edu").irq(irq).option("app=edu").start();
    let factorial = guest.wait_for("3628800");
    assert!(factorial.contains("10"), "{factorial}");
    guest.wait_for("DMA");
    guest.wait_for(mode);
    assert_eq!(guest.exit(), Exit::Success);
}

#[test]
fn q35_intx() {
    edu(Machine::Q35, Irq::Intx, "intx");
}

#[test]
fn q35_msi() {
    edu(Machine::Q35, Irq::Msi, "msi");
}

#[test]
fn pc_intx() {
    edu(Machine::Pc, Irq::Intx, "intx");
}

#[test]
fn pc_msi() {
    edu(Machine::Pc, Irq::Msi, "msi");
}

/// Tests lines through two bridges, each of which swizzles the pin of the function below.
fn behind_bridges(machine: Machine, irq: Irq, mode: &str) {
    let qemu = ["pci-bridge,id=near,chassis_nr=1,addr=5", "pci-bridge,id=far,chassis_nr=2,bus=near,addr=2"];
    let qemu = qemu.iter().fold(Qemu::new(machine), |qemu, bridge| qemu.device(bridge));
    let guest = qemu.device("edu,bus=near,addr=3").device("edu,bus=far,addr=6").irq(irq).option("app=edu").start();
    for address in ["0000:01:03.0", "0000:02:06.0"] {
        guest.wait_for(&format!("edu {address}: 10! = 3628800, by {mode}"));
    }
    assert_eq!(guest.exit(), Exit::Success);
}

#[test]
fn q35_behind_bridges() {
    behind_bridges(Machine::Q35, Irq::Intx, "intx");
}

#[test]
fn pc_behind_bridges() {
    behind_bridges(Machine::Pc, Irq::Intx, "intx");
}

#[test]
fn q35_behind_bridges_by_msi() {
    behind_bridges(Machine::Q35, Irq::Msi, "msi");
}
