//! Messages that no device sent: each vector a thousand times, while the page is served.

use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use core::time::Duration;
use std::thread;
use std::time::Instant;

use switchboard_tests::{Guest, Machine, Nic, Qemu, Qtest};

/// Address at which a write is a message to CPU 0 (SDM vol. 3, 11.11.1).
const MESSAGES: u64 = 0xfee0_0000;
const TIMEOUT: Duration = Duration::from_secs(10);

fn unexpected(guest: &Guest) -> u64 {
    let status = guest.client().get("/status").expect("the status").body;
    let status: serde_json::Value = serde_json::from_slice(&status).expect("JSON");
    status["unexpected_interrupts"].as_u64().expect("a count")
}

fn serves_during_forged_messages(machine: Machine, nic: Nic) {
    let qtest = Qtest::default();
    let qemu = qtest.attach(Qemu::new(machine).nic(nic).files().device("edu"));
    let guest = qemu.limit(Duration::from_secs(120)).start();
    let mut client = guest.client();
    assert_eq!(unexpected(&guest), 0);

    let served = AtomicU32::new(0);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                let hello = client.get("/hello").expect("the page is served throughout");
                assert_eq!((hello.status, hello.body.len()), (200, 13));
                served.fetch_add(1, Ordering::Relaxed);
            }
        });
        for first in (0..=255).step_by(16) {
            let before = served.load(Ordering::Relaxed);
            qtest.write_words(MESSAGES, (first..first + 16).flat_map(|vector| [vector; 1000]));
            let start = Instant::now();
            while served.load(Ordering::Relaxed) == before && start.elapsed() < TIMEOUT {
                thread::sleep(Duration::from_millis(1));
            }
            assert!(served.load(Ordering::Relaxed) > before, "nothing is served after vectors {first} and up");
        }
        done.store(true, Ordering::Relaxed);
    });

    // Messages that arrive while one is pending merge with it; each vector without a handler received some.
    let counted = unexpected(&guest);
    assert!((200..=256_000).contains(&counted), "{counted}");
    let file = guest.client().get("/files/1mib.bin").expect("the file");
    assert_eq!((file.status, file.body.len()), (200, 1 << 20));
    println!("{machine:?} {nic:?}: {} requests served meanwhile, {counted} messages counted", served.into_inner());
}

#[test]
fn q35_virtio() {
    serves_during_forged_messages(Machine::Q35, Nic::Virtio);
}

#[test]
fn pc_e1000() {
    serves_during_forged_messages(Machine::Pc, Nic::E1000);
}
