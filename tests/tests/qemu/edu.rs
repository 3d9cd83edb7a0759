//! The teaching device: a factorial by interrupt and a round trip by DMA, in each mode that it has.

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
