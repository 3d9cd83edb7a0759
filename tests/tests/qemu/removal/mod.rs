//! A network card and a disk that are taken out of the machine and put back, over and over, while everything works:
//! the machine lives, nobody else loses a request, and what they had comes back, to the byte.

mod bench;
mod figures;

use core::time::Duration;
use std::thread;
use std::time::Instant;

use switchboard_tests::{Irq, Machine, Qemu};

use self::bench::{Bench, Manner};
use self::figures::Figures;

const ROUNDS: u64 = 8;
const MANY: u64 = 100;
/// So many come first: lists grow to the length that they keep.
const WARM_UP: u64 = 2;

fn removals(manner: Manner, irq: Irq, rounds: u64) {
    let mut bench = Bench::new(irq);
    bench.crowd();
    bench.rounds(WARM_UP, manner);
    let before = Figures::at_rest(&bench.guest);
    let start = Instant::now();
    let served = bench.rounds(rounds, manner);
    let elapsed = start.elapsed();
    let after = Figures::at_rest(&bench.guest);
    println!("{rounds} of each, {manner:?}, in {elapsed:.1?}: {served:?}; before, {before:?}; after, {after:?}");
    assert_eq!(before, after);
    // It lives, and has said nothing of a fault.
    assert!(bench.guest.is_running());
    let console = bench.guest.console().text();
    assert!(!console.contains("ERROR"), "{console}");
}

#[test]
fn asked_for() {
    removals(Manner::Asked, Irq::Auto, ROUNDS);
}

#[test]
fn pulled() {
    removals(Manner::Pulled, Irq::Auto, ROUNDS);
}

/// The port, the card and the disk share lines with each other.
#[test]
fn pulled_off_the_line() {
    removals(Manner::Asked, Irq::Intx, ROUNDS / 2);
    removals(Manner::Pulled, Irq::Intx, ROUNDS / 2);
}

#[test]
#[ignore = "long: run by `make test-load`"]
fn a_hundred_each() {
    removals(Manner::Asked, Irq::Auto, MANY);
    removals(Manner::Pulled, Irq::Auto, MANY);
}

/// Without any hot-plugging: every kind of device, by software alone.
#[test]
fn detached_and_attached() {
    let guest = Qemu::new(Machine::Q35)
        .nic_device("virtio-net-pci,addr=3")
        .nic_device("e1000,addr=4")
        .files_on("virtio-blk-pci,addr=5")
        .device("virtio-rng-pci,addr=6")
        .device("edu,addr=7")
        .device("nec-usb-xhci,addr=8")
        .option("log=warn app=removal -- 50 0000:00:04.0 0000:00:05.0 0000:00:06.0 0000:00:07.0 0000:00:08.0")
        .start();
    let mut client = guest.client();
    while !guest.console().text().contains("removal: ") {
        let hello = client.get("/hello").expect("the card that stays serves");
        assert_eq!((hello.status, hello.body.len()), (200, 13));
        thread::sleep(Duration::from_millis(10));
    }
    guest.wait_for("removal: 50 rounds of 5 functions");
    assert_eq!(client.get("/files/1mib.bin").expect("the disk is back").body.len(), 1 << 20);
    // Otherwise the app would have ended the machine.
    assert!(guest.is_running(), "what was free before is not free after");
}
