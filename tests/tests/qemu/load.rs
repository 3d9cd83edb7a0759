//! Many requests over many connections: none stalls, none is lost.
//!
//! One CPU on purpose: QEMU omits memory barriers between a single virtual CPU and its device threads, which exposes
//! lost wake-ups in drivers.

use core::time::Duration;
use std::thread;
use std::time::Instant;

use switchboard_tests::{Client, Irq, Load, Machine, Nic, Qemu};

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

/// The memory of hundreds of connections is allocated as they are accepted, and freed when they end.
#[test]
fn hundreds_of_connections_are_served_and_freed() {
    const CONNECTIONS: usize = 256;
    let guest = Qemu::new(Machine::Q35).nic(Nic::Virtio).option("ip=10.0.2.15/24,10.0.2.2").start();
    let used = |client: &mut Client| {
        let status = client.get("/status").expect("the status");
        let status: serde_json::Value = serde_json::from_slice(&status.body).expect("JSON");
        status["heap"]["used"].as_u64().expect("a number")
    };
    let mut watcher = guest.client();
    // The tables of the network grow to the size that they keep, and the memory of the connections comes back.
    drop((0..CONNECTIONS).map(|_| guest.client()).collect::<Vec<_>>());
    thread::sleep(Duration::from_secs(1));
    let before = used(&mut watcher);
    for round in 0..3 {
        let mut clients: Vec<_> = (0..CONNECTIONS).map(|_| guest.client()).collect();
        for _ in 0..4 {
            for client in &mut clients {
                let hello = client.get("/hello").expect("an answer");
                assert_eq!((hello.status, &hello.body[..]), (200, &b"Hello, world!"[..]));
            }
        }
        let during = used(&mut watcher);
        assert!(during < before + CONNECTIONS as u64 * 32 * 1024, "round {round}: {before} bytes, then {during}");
    }
    // Closing takes a moment.
    let start = Instant::now();
    while used(&mut watcher) > before + 64 * 1024 {
        assert!(start.elapsed().as_secs() < 20, "{before} bytes before, {} after", used(&mut watcher));
        thread::sleep(Duration::from_millis(200));
    }
}
