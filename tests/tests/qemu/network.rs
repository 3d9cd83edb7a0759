//! Addresses and links, as they are given, taken away and given back.

use switchboard_tests::{Guest, Machine, Nic, Qemu};

fn serves(guest: &Guest) {
    let hello = guest.client().get("/hello").expect("an answer");
    assert_eq!((hello.status, hello.body.len()), (200, 13));
}

#[test]
fn an_address_of_the_command_line_is_taken() {
    // Not the one that DHCP would give: QEMU forwards to that one, so this is looked at from the console only.
    let guest = Qemu::new(Machine::Q35).nic(Nic::Virtio).option("ip=10.0.2.99/24,10.0.2.2").start();
    guest.wait_for("address 10.0.2.99/24 by command line");
    guest.wait_for("gateway 10.0.2.2");
}

/// The link goes away and comes back; what is said of it.
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
    // By deferred work, with statistics that the handler shares with nobody.
    link(Nic::E1000, "e1000: link down; 0 frames missed, 0 CRC errors");
}
