//! A line that stays asserted and that no handler claims: it is masked, reported and polled, and the machine serves.

use core::time::Duration;
use std::time::Instant;

use switchboard_tests::{Guest, InterruptsReport, Irq, Machine, Qemu};

const STORM: &str = "app=interrupts -- storm";

fn hello(guest: &Guest, requests: u32) -> Duration {
    let mut client = guest.client();
    let start = Instant::now();
    for request in 0..requests {
        let hello = client.get("/hello").unwrap_or_else(|error| panic!("request {request}: {error}"));
        assert_eq!((hello.status, hello.body.len()), (200, 13), "request {request}");
    }
    start.elapsed()
}

/// Checks the report of the storm (the line, and the function at fault); returns the line.
fn reported(guest: &Guest) -> String {
    let asserted = guest.wait_for("claimed by no handler");
    let gsi = asserted.split("GSI ").nth(1).and_then(|rest| rest.split(',').next()).expect("its number").to_owned();
    guest.wait_for(&format!("GSI {gsi}: a storm that no handler claims; the line is masked"));
    guest.wait_for("(unclaimed)");
    gsi
}

fn unclaimed_calls(interrupts: &InterruptsReport) -> u64 {
    interrupts.of("unclaimed").map(|row| row.count).sum()
}

#[test]
fn other_devices_on_the_line_are_served() {
    // On q35 these slots' pins are routed alike.
    let qemu = Qemu::new(Machine::Q35).nic_device("virtio-net-pci,vectors=0,addr=4").device("edu,addr=8");
    let guest = qemu.irq(Irq::Intx).option(STORM).start();
    let gsi = reported(&guest);
    hello(&guest, 5);

    let interrupts = guest.interrupts();
    let rows: Vec<_> =
        interrupts.vectors.iter().filter(|row| row.gsi.map(|gsi| gsi.to_string()) == Some(gsi.clone())).collect();
    assert_eq!(rows.len(), 2, "both are on the line: {interrupts:#?}");
    assert!(interrupts.of("virtio-net").all(|row| row.claimed > 0), "{interrupts:#?}");
    // Reported once, however often the line was polled since.
    let text = guest.console().text();
    assert_eq!(text.matches("a storm that no handler claims").count(), 1, "{text}");
}

#[test]
fn is_masked_within_a_thousand_and_polled_slowly() {
    // The network interrupts by messages, so that the line has no other device.
    let guest = Qemu::new(Machine::Q35).nic_device("virtio-net-pci").device("edu").option(STORM).start();
    reported(&guest);
    drop(guest.client());
    let (start, first) = (Instant::now(), unclaimed_calls(&guest.interrupts()));
    let since_boot = guest.client().get("/status").expect("the status").body;
    let status: serde_json::Value = serde_json::from_slice(&since_boot).expect("JSON");
    let seconds = status["uptime_ms"].as_u64().expect("a time") / 1000 + 1;
    // Polled ten calls at a time, ten times a second.
    assert!((1_000..=1_000 + 100 * seconds).contains(&first), "{first} calls in {seconds} s");

    hello(&guest, 100);
    std::thread::sleep(Duration::from_secs(1));
    let (more, passed) = (unclaimed_calls(&guest.interrupts()) - first, start.elapsed().as_secs() + 1);
    assert!((5..=100 * passed).contains(&more), "{more} calls in {passed} s");
}

/// Devices on other vectors keep at least half of their throughput.
#[test]
fn others_keep_their_throughput() {
    let qemu = || Qemu::new(Machine::Q35).nic_device("virtio-net-pci").device("edu");
    let calm = qemu().start();
    hello(&calm, 100);
    let storm = qemu().option(STORM).start();
    reported(&storm);
    hello(&storm, 100);
    // Alternating, so that other load of the host affects both.
    let (mut without, mut with) = (Duration::ZERO, Duration::ZERO);
    for _ in 0..5 {
        without += hello(&calm, 400);
        with += hello(&storm, 400);
    }
    assert!(with < without * 2, "2,000 requests took {with:?} beside a storm, {without:?} without");
}
