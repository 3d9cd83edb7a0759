//! Disks of a virtio-scsi adapter.

use core::time::Duration;
use std::thread;
use std::time::Instant;

use switchboard_tests::{Machine, Nic, Qemu, built_disk, mebibyte_file};

/// The files of a unit are served, and one that is removed takes its files along.
#[test]
fn a_unit_is_served_and_removed() {
    let drive = format!("format=raw,snapshot=on,file={}", built_disk().display());
    let qemu = Qemu::new(Machine::Q35).nic(Nic::Virtio).device("virtio-scsi-pci,id=adapter");
    let guest = qemu.drive(&drive, "scsi-hd,bus=adapter.0,id=unit").start();
    guest.wait_for("files: ");
    let mut client = guest.client();
    assert!(client.get("/files/1mib.bin").expect("an answer").body == mebibyte_file());
    guest.monitor("device_del unit");
    let begin = Instant::now();
    while client.get("/files/1mib.bin").expect("an answer").status != 404 {
        assert!(begin.elapsed() < Duration::from_secs(10), "the unit is still served");
        thread::sleep(Duration::from_millis(50));
    }
}
