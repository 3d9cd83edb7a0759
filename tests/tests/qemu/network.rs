//! Addresses and links: assigned, removed and restored.

use switchboard_tests::{Guest, Machine, Nic, Qemu};

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
    // By deferred work, with statistics that belong to the handler exclusively.
    link(Nic::E1000, "e1000: link down; 0 frames missed, 0 CRC errors");
}
