//! Interrupts raised by another process: the host signals vectors through an ivshmem server, and both sides count.

use core::time::Duration;
use std::thread;

use switchboard_tests::{Exit, Guest, Irq, IvshmemServer, Machine, Qemu, SourceCounts, source_counts};

use crate::steering;

/// Length of the runs of interrupts that alternate: each answered before the next, so that a later one cannot hide a
/// loss; and without waiting, so that they coalesce.
const BURST: u64 = 8;

/// Signals `count` interrupts over all vectors, from a thread for each, and checks both sides' counts.
fn counts_agree(machine: Machine, vectors: usize, count: u64) -> Vec<SourceCounts> {
    agreed(Qemu::new(machine), "listen", vectors, count).1
}

fn agreed(qemu: Qemu, command: &str, vectors: usize, count: u64) -> (Guest, Vec<SourceCounts>) {
    let server = IvshmemServer::start(vectors);
    let qemu = server.attach(qemu).option(&format!("app=interrupts -- {command}"));
    let guest = qemu.limit(Duration::from_secs(if count > 100_000 { 600 } else { 60 })).start();
    assert_eq!(server.wait_served(), vectors);
    guest.wait_for(&format!("{vectors} vectors by msix"));

    let each = count / vectors as u64;
    thread::scope(|scope| {
        for vector in 0..vectors {
            let server = &server;
            scope.spawn(move || {
                for number in 0..each {
                    server.raise(vector);
                    if (number / BURST).is_multiple_of(2) || number % BURST == BURST - 1 {
                        server.wait_answered(vector);
                    }
                }
            });
        }
    });
    server.finish();
    assert_eq!(guest.exit(), Exit::Success);

    let sources = source_counts(&guest);
    assert_eq!(sources.len(), vectors, "{sources:#?}");
    for (vector, source) in sources.iter().enumerate() {
        assert_eq!((source.index, source.mode.as_str(), source.lost), (vector, "msix", 0), "{source:?}");
        assert_eq!((source.raised, source.handled + source.coalesced), (each, each), "{source:?}");
        // The host's own count, and the handler's in the shared memory.
        assert_eq!((server.raised(vector), server.answered(vector)), (each, each), "vector {vector}");
        assert_eq!(server.handled(vector), source.handled, "vector {vector}");
    }
    (guest, sources)
}

/// The host signals at full rate, from threads of its own, while the vectors are moved from CPU to CPU. Their handlers have state of
/// their own, and so must never run on two CPUs at once.
#[test]
fn vectors_are_steered_under_fire() {
    let qemu = Qemu::new(Machine::Q35).argument("-smp", "2");
    let (guest, _) = agreed(qemu, "listen steer", 8, 80_000);
    let [moves, cpus, unexpected] = steering::moves(&guest);
    assert!(moves > 100 && cpus == 2 && unexpected == 0, "{moves} moves among {cpus} CPUs, {unexpected} unexpected");
}

#[test]
fn q35_eight_vectors() {
    counts_agree(Machine::Q35, 8, 80_000);
}

#[test]
fn pc_eight_vectors() {
    counts_agree(Machine::Pc, 8, 80_000);
}

#[test]
fn few_vectors() {
    for vectors in [1, 3] {
        counts_agree(Machine::Q35, vectors, 3_000);
    }
}

#[test]
#[ignore = "long: run by `make test-load`"]
fn million_on_eight_vectors() {
    let sources = counts_agree(Machine::Q35, 8, 1_000_000);
    let (handled, coalesced) =
        sources.iter().fold((0, 0), |sum, source| (sum.0 + source.handled, sum.1 + source.coalesced));
    println!("1,000,000 raised: {handled} handled, {coalesced} coalesced, 0 lost");
}

/// The guest signals itself: by the doorbell register, and back through the host.
#[test]
fn own_doorbell() {
    let server = IvshmemServer::start(8);
    let guest = server.attach(Qemu::new(Machine::Q35)).option("app=interrupts -- raise 8000 ivshmem").start();
    assert_eq!(guest.exit(), Exit::Success);
    let sources = source_counts(&guest);
    assert_eq!(sources.len(), 8, "{sources:#?}");
    assert!(sources.iter().all(|source| source.raised == 1000 && source.lost == 0), "{sources:#?}");
}

/// The device has no register that shows whether it asserts its line, so the driver supports no line.
#[test]
fn refuses_the_line() {
    let server = IvshmemServer::start(8);
    let guest = server.attach(Qemu::new(Machine::Q35)).irq(Irq::Intx).option("app=hello").start();
    let report = guest.wait_for("1af4:1110");
    assert!(report.contains("no interrupt mode fits"), "{report}");
    assert_eq!(guest.exit(), Exit::Success);
}
