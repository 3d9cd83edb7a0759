//! A network card and a disk are removed and added repeatedly under load: no other device loses a request, and all
//! resources are released.

mod bench;
mod figures;

use core::time::Duration;
use std::thread;
use std::time::Instant;

use switchboard_tests::{Irq, Machine, Qemu};

use self::bench::{Bench, RemovalMethod};
use self::figures::Figures;

const ROUNDS: u64 = 8;
const MANY: u64 = 100;
/// Rounds before the first figures: lists grow to the size that they keep.
const WARM_UP: u64 = 2;

fn removals(method: RemovalMethod, irq: Irq, rounds: u64) {
    let mut bench = Bench::new(irq);
    bench.warm_up();
    bench.rounds(WARM_UP, method);
    let before = Figures::at_rest(&bench.guest);
    let start = Instant::now();
    let served = bench.rounds(rounds, method);
    let elapsed = start.elapsed();
    let after = Figures::at_rest(&bench.guest);
    println!("{rounds} of each, {method:?}, in {elapsed:.1?}: {served:?}; before, {before:?}; after, {after:?}");
    after.assert_as_before(&before);
    // The machine runs, and has logged no error.
    assert!(bench.guest.is_running());
    let console = bench.guest.console().text();
    assert!(!console.contains("ERROR"), "{console}");
}

#[test]
fn by_request() {
    removals(RemovalMethod::Requested, Irq::Auto, ROUNDS);
}

#[test]
fn by_surprise() {
    removals(RemovalMethod::Surprise, Irq::Auto, ROUNDS);
}

/// Port, card and disk share lines with each other.
#[test]
fn by_surprise_on_a_shared_line() {
    removals(RemovalMethod::Requested, Irq::Intx, ROUNDS / 2);
    removals(RemovalMethod::Surprise, Irq::Intx, ROUNDS / 2);
}

#[test]
#[ignore = "long: run by `make test-load`"]
fn a_hundred_each() {
    removals(RemovalMethod::Requested, Irq::Auto, MANY);
    removals(RemovalMethod::Surprise, Irq::Auto, MANY);
}

/// Detaches and attaches every kind of device by software, without hot-plug.
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
    // The app ends the machine when a resource leaks.
    assert!(guest.is_running(), "a resource is not released");
}
