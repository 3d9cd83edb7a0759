//! Many requests over many connections: none may stall, none may be lost.
//!
//! One CPU on purpose: QEMU drops memory barriers between a single virtual CPU and its device threads, which is where
//! drivers lose wake-ups.

use core::time::Duration;

use switchboard_tests::{Irq, Load, Machine, Nic, Qemu};

fn load(nic: Nic, irq: Irq) {
    let guest = Qemu::new(Machine::Q35).nic(nic).files().irq(irq).limit(Duration::from_secs(180)).start();
    let body = guest.client().get("/hello").expect("the body to expect").body;
    assert_eq!(body.len(), 13);
    let requests = 200_000;
    let stall = Duration::from_secs(10);
    let load = Load { port: guest.http_port(), connections: 16, requests, path: "/hello", body, stall };
    let report = load.run().unwrap_or_else(|errors| {
        let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
        panic!("{} of 16 connections failed:\n{}", lines.len(), lines.join("\n"))
    });
    assert_eq!(report.requests, requests);
    let rate = 200_000.0 / report.elapsed.as_secs_f64();
    println!("{nic:?} {irq:?}: {requests} requests, {rate:.0} a second, the slowest took {:?}", report.slowest);
}

#[test]
fn virtio_msix() {
    load(Nic::Virtio, Irq::Msix);
}

#[test]
fn virtio_intx() {
    load(Nic::Virtio, Irq::Intx);
}

#[test]
fn e1000_intx() {
    load(Nic::E1000, Irq::Intx);
}
