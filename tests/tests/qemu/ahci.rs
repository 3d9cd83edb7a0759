//! Disks of AHCI controllers: of the one that is built into a q35, and of another one.

use switchboard_tests::{Exit, Irq, Machine, Nic, Qemu, built_disk, mebibyte_file};

use crate::raw::reads;

#[test]
fn files_of_a_disk_and_a_cd_at_the_built_in_controller_are_served() {
    let disk = format!("format=raw,snapshot=on,file={}", built_disk().display());
    let on = Qemu::new(Machine::Q35).nic(Nic::Virtio).drive(&disk, "ide-hd,bus=ide.0");
    let guest = on.files_on("ide-cd,bus=ide.1").start();
    guest.wait_for("port 0: QEMU HARDDISK");
    guest.wait_for("port 1: QEMU DVD-ROM");
    assert!(guest.client().get("/files/1mib.bin").expect("a response").body == mebibyte_file());
}

#[test]
fn a_controller_without_disks_is_left_alone() {
    let guest = Qemu::new(Machine::Q35).option("app=hello").start();
    assert_eq!(guest.exit(), Exit::Success);
    let text = guest.console().text();
    assert!(text.contains("ahci: left alone: no disk is connected"), "{text}");
}

#[test]
fn blocks_are_correct_at_every_depth_by_intx() {
    reads("ide-hd,bus=ide.0", Irq::Intx);
}
