//! USB: a stick that serves files, and a keyboard at the shell, each unplugged and plugged in again.

use core::time::Duration;
use std::thread;
use std::time::Instant;

use switchboard_tests::{Guest, Machine, Nic, Qemu, Qmp, built_disk, mebibyte_file};

/// Waits until the file on the stick is served, or is not.
fn wait_for_file(guest: &Guest, is_served: bool) {
    let start = Instant::now();
    loop {
        let response = guest.client().get("/files/1mib.bin");
        if response.is_ok_and(|it| (it.status == 200 && it.body == mebibyte_file()) == is_served) {
            return;
        }
        assert!(start.elapsed() < Duration::from_secs(20), "{}", guest.console().text());
        thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_keyboard_types_into_the_shell_and_a_stick_serves_files() {
    let qmp = Qmp::default();
    let qemu = qmp.attach(Qemu::new(Machine::Q35).nic(Nic::Virtio)).device("qemu-xhci,id=x");
    let guest = qemu.files_on("usb-storage,id=stick,bus=x.0").device("usb-kbd,id=keyboard,bus=x.0").start();
    guest.wait_for("USB device 46f4:0001: QEMU QEMU HARDDISK");
    guest.wait_for("address 10.0.2.15/24 by dhcp");
    wait_for_file(&guest, true);
    let mut session = qmp.connect();
    session.press_keys(&["f", "o", "o", "ret"]);
    guest.wait_for("no word `foo`");
    // Both are unplugged, and others plugged in.
    session.request_removal("keyboard").expect("it is there");
    session.wait_until_deleted("keyboard");
    guest.wait_for("the device was removed");
    session.request_removal("stick").expect("it is there");
    session.wait_until_deleted("stick");
    wait_for_file(&guest, false);
    session.add("usb-kbd", "other", &[("bus", "x.0")]);
    let file = built_disk().display().to_string();
    let node = serde_json::json!({ "driver": "raw", "node-name": "node", "read-only": true,
        "file": { "driver": "file", "filename": file } });
    session.command("blockdev-add", &node).expect("a node");
    session.add("usb-storage", "stick2", &[("bus", "x.0"), ("drive", "node")]);
    wait_for_file(&guest, true);
    session.press_keys(&["b", "a", "r", "ret"]);
    guest.wait_for("no word `bar`");
}
