//! Addresses and links: assigned, removed and restored.

use core::time::Duration;
use std::thread;

use switchboard_tests::{Guest, Machine, Nic, Qemu, mebibyte_file};

fn serves(guest: &Guest) {
    let hello = guest.client().get("/hello").expect("an answer");
    assert_eq!((hello.status, hello.body.len()), (200, 13));
}

#[test]
fn an_address_on_the_command_line_is_used() {
    // Another one than by DHCP: QEMU forwards ports to that one, so only the console is checked.
    let guest = Qemu::new(Machine::Q35).nic(Nic::Virtio).option("ip=10.0.2.99/24,10.0.2.2").start();
    guest.wait_for("address 10.0.2.99/24 by command line");
    guest.wait_for("gateway 10.0.2.2");
}

/// Takes the link down and up, and checks what is reported.
fn link(nic: Nic, down: &str) {
    let guest = Qemu::new(Machine::Q35).nic(nic).start();
    serves(&guest);
    guest.monitor("set_link net0 off");
    guest.wait_for(down);
    guest.monitor("set_link net0 on");
    serves(&guest);
}

#[test]
fn virtio_link_comes_back() {
    link(Nic::Virtio, "link down");
}

#[test]
fn e1000_link_comes_back() {
    link(Nic::E1000, "e1000: link down; 0 frames missed, 0 CRC errors");
}

#[test]
fn e1000e_link_comes_back() {
    // By the message of causes that are not those of rings.
    link(Nic::E1000e, "e1000e: link down; 0 frames missed, 0 CRC errors");
}

/// Downloads files while the link is down for 20 ms, three times. The address is by DHCP, and stays.
fn downloads_outlive_flaps(nic: Nic) {
    let guest = Qemu::new(Machine::Q35).nic(nic).files().start();
    let mut client = guest.client();
    client.set_timeout(Duration::from_secs(30)).expect("a timeout is set");
    let downloads = thread::spawn(move || {
        for number in 0..60 {
            let file = client.get("/files/1mib.bin").unwrap_or_else(|error| panic!("download {number}: {error}"));
            assert!(file.status == 200 && file.body == mebibyte_file(), "download {number} differs");
        }
    });
    for _ in 0..3 {
        thread::sleep(Duration::from_millis(100));
        guest.monitor("set_link net0 off");
        thread::sleep(Duration::from_millis(20));
        guest.monitor("set_link net0 on");
    }
    downloads.join().expect("all downloads");
    assert!(!guest.console().text().contains("lost"), "the address was lost");
}

#[test]
fn virtio_downloads_outlive_flaps_of_the_link() {
    downloads_outlive_flaps(Nic::Virtio);
}

#[test]
fn e1000_downloads_outlive_flaps_of_the_link() {
    downloads_outlive_flaps(Nic::E1000);
}
