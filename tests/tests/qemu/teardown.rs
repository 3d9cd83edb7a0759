//! Handlers that are registered and dropped while their device interrupts: none is called after its drop, no other
//! device loses an interrupt, and all resources are released.

use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;
use std::thread;

use switchboard_tests::{Exit, Guest, Irq, IvshmemServer, Machine, Qemu, source_counts};

const ROUNDS: u64 = 2_000;
const MANY: u64 = 10_000;

fn start(qemu: Qemu, rounds: u64, driver: &str) -> Guest {
    let limit = Duration::from_secs(if rounds > ROUNDS { 600 } else { 60 });
    qemu.option(&format!("app=interrupts -- teardown {rounds} {driver}")).limit(limit).start()
}

/// Checks the app's report of its rounds and of the other devices: each source was raised twice a round.
fn check_report(guest: &Guest, rounds: u64, driver: &str, mode: &str, others: &[&str]) {
    assert_eq!(guest.exit(), Exit::Success);
    let line = guest.wait_for(&format!("teardown {driver} "));
    assert!(line.contains(&format!(" {mode} rounds {rounds} ")) && line.contains(" late 0 leaked 0 "), "{line}");
    let calls = line.split(" calls ").nth(1).and_then(|rest| rest.split(' ').next()).and_then(|n| n.parse().ok());
    // A round waits for zero to seven calls.
    assert!(calls.is_some_and(|calls: u64| calls >= rounds * 7 / 2), "{line}");

    let sources = source_counts(guest);
    for other in others {
        assert!(sources.iter().any(|source| source.driver == *other), "no {other} in {sources:#?}");
    }
    for source in &sources {
        assert_eq!((source.lost, source.handled + source.coalesced), (0, source.raised), "{source:?}");
        assert!(source.raised >= rounds, "{source:?}");
    }
}

/// The other devices are of two types; by INTx they share the line of the first, as their slots' pins are routed alike.
fn torn_down(device: &str, irq: Irq, mode: &str, rounds: u64) {
    let (driver, other) = if device == "edu" { ("edu", "e1000e") } else { ("e1000e", "edu") };
    // The subsystem ID leaves the card to the driver that raises interrupts.
    let model = |device| if device == "e1000e" { "e1000e,subsys=0x5357" } else { device };
    let qemu = Qemu::new(Machine::Q35)
        .device(&format!("{},addr=4", model(device)))
        .device(&format!("{},addr=8", model(other)))
        .device("nec-usb-xhci,addr=0xc");
    let guest = start(qemu.irq(irq), rounds, driver);
    check_report(&guest, rounds, driver, mode, &[other, "xhci"]);
}

/// The host signals all vectors without a pause, whether a handler is registered or not.
fn torn_down_by_the_host(rounds: u64) {
    let server = IvshmemServer::start(8);
    let qemu = server.attach(Qemu::new(Machine::Q35)).device("edu").device("nec-usb-xhci");
    let guest = start(qemu, rounds, "ivshmem");
    assert_eq!(server.wait_served(), 8);
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                (0..8).for_each(|vector| server.raise(vector));
                thread::yield_now();
            }
        });
        let exit = guest.exit();
        is_over.store(true, Ordering::Relaxed);
        assert_eq!(exit, Exit::Success);
    });
    check_report(&guest, rounds, "ivshmem", "msix", &["edu", "xhci"]);
}

#[test]
fn edu_intx() {
    torn_down("edu", Irq::Intx, "intx", ROUNDS);
}

#[test]
fn edu_msi() {
    torn_down("edu", Irq::Msi, "msi", ROUNDS);
}

#[test]
fn e1000e_intx() {
    torn_down("e1000e", Irq::Intx, "intx", ROUNDS);
}

#[test]
fn e1000e_msi() {
    torn_down("e1000e", Irq::Msi, "msi", ROUNDS);
}

/// One table entry is registered and dropped; the four others are among the sources.
#[test]
fn e1000e_msix() {
    torn_down("e1000e", Irq::Auto, "msix", ROUNDS);
}

/// The registrations are on four CPUs, and all are dropped by the boot CPU.
#[test]
fn on_other_cpus() {
    let qemu = Qemu::new(Machine::Q35)
        .device("e1000e,subsys=0x5357,addr=4")
        .device("nec-usb-xhci,addr=0xc")
        .argument("-smp", "4")
        .option("irqcpus=all");
    // Each drop waits for another CPU, which a host of two CPUs may not run at once.
    let rounds = ROUNDS / 10;
    let guest = start(qemu, rounds, "e1000e");
    check_report(&guest, rounds, "e1000e", "msix", &["xhci"]);
}

#[test]
fn ivshmem_msix() {
    torn_down_by_the_host(ROUNDS);
}

#[test]
#[ignore = "long: run by `make test-load`"]
fn ten_thousand() {
    torn_down("edu", Irq::Intx, "intx", MANY);
    torn_down("edu", Irq::Msi, "msi", MANY);
    torn_down("e1000e", Irq::Auto, "msix", MANY);
    torn_down_by_the_host(MANY);
}
