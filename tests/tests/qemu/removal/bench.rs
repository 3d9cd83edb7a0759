//! A guest with a card and a disk that stay, a card and a disk that come and go, and clients of them all.

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use core::time::Duration;
use std::fs;
use std::thread;
use std::time::Instant;

use switchboard_tests::{
    Client, Guest, Irq, Machine, Nic, Protocol, Qemu, Qmp, QmpSession, Qtest, Response, ScratchPath, archive,
    mebibyte_file,
};

/// Otherwise q35 hot-plugs by ACPI methods, and its ports have nothing to say.
const NATIVE: &str = "ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off";
/// How long something that comes may take to serve, and figures to become what they were.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);
/// What is asked of a card that may be gone is not waited for any longer.
const SHORT: Duration = Duration::from_millis(300);

/// Connections of a crowd.
const CROWD: usize = 24;

/// How a device leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    /// The guest is asked to let go of it.
    Asked,
    /// Its power is taken, and nobody is asked.
    Pulled,
}

/// A device that comes and goes.
struct Victim {
    driver: &'static str,
    id: &'static str,
    options: &'static [(&'static str, &'static str)],
    /// Where the port is.
    port: (u8, u8, u8),
}

const CARD: Victim = Victim {
    driver: "virtio-net-pci",
    id: "card",
    options: &[("bus", "first"), ("netdev", "net1"), ("romfile", "")],
    port: (0, 8, 0),
};
const DISK: Victim =
    Victim { driver: "virtio-blk-pci", id: "disk", options: &[("bus", "second"), ("drive", "other")], port: (0, 9, 0) };

/// A guest with a card and a disk that stay, and a card and a disk that come and go.
pub(super) struct Bench {
    pub(super) guest: Guest,
    qmp: QmpSession,
    qtest: Qtest,
    content: Vec<u8>,
    _image: ScratchPath,
}

impl Bench {
    pub(super) fn new(irq: Irq) -> Self {
        let content: Vec<u8> = (0..300_000_u32).flat_map(u32::to_le_bytes).collect();
        let image = ScratchPath::new("img");
        fs::write(image.path(), archive("other.bin", &content)).expect("a scratch disk can be written");
        let (qmp, qtest) = (Qmp::default(), Qtest::default());
        // A drive of the usual kind would go with its device.
        let node = format!("driver=raw,node-name=other,read-only=on,file.driver=file,file.filename={}", {
            image.path().display()
        });
        let qemu = Qemu::new(Machine::Q35)
            .argument("-global", NATIVE)
            .bridge("pcie-root-port,id=first,chassis=1,slot=1,addr=8")
            .bridge("pcie-root-port,id=second,chassis=2,slot=2,addr=9")
            .nic(Nic::Virtio)
            .nic_device("virtio-net-pci,bus=first,id=card")
            .files()
            .argument("-blockdev", &node)
            .device("virtio-blk-pci,bus=second,id=disk,drive=other")
            .option("grace=0 log=warn")
            .irq(irq)
            .limit(Duration::from_secs(600));
        let guest = qtest.attach(qmp.attach(qemu)).start();
        drop(guest.client_on(1));
        Self { guest, qmp: qmp.connect(), qtest, content, _image: image }
    }

    /// Has what stays serve more connections at once than there are to be: lists and tasks that come with connections
    /// grow to the length that they keep.
    pub(super) fn crowd(&self) {
        let mut clients: Vec<_> = (0..CROWD).map(|_| self.guest.client()).collect();
        for client in &mut clients {
            assert_eq!(client.get("/hello").expect("an answer").status, 200);
        }
    }

    /// Takes the devices out and puts them back, in turn, while clients use them and what stays.
    pub(super) fn rounds(&mut self, rounds: u64, manner: Manner) -> Served {
        let Self { guest, qmp, qtest, content, .. } = self;
        let (is_over, served) = (AtomicBool::new(false), Served::default());
        thread::scope(|scope| {
            let (guest, content, is_over, served) = (&*guest, &*content, &is_over, &served);
            let _over = Over(is_over);
            scope.spawn(move || stays(guest, "/hello", b"Hello, world!", is_over, &served.requests));
            scope.spawn(move || stays(guest, "/files/1mib.bin", &mebibyte_file(), is_over, &served.files));
            scope.spawn(move || leaves(guest, CARD, content, is_over, &served.card));
            scope.spawn(move || leaves(guest, DISK, content, is_over, &served.disk));
            for round in 0..rounds {
                for (victim, count) in [(CARD, &served.card), (DISK, &served.disk)] {
                    busy(count, round, victim.id);
                    match manner {
                        Manner::Asked => qmp.request_removal(victim.id).expect("the guest may be asked"),
                        Manner::Pulled => qtest.power_off(victim.port),
                    }
                    qmp.wait_until_deleted(victim.id);
                    qmp.add(victim.driver, victim.id, victim.options);
                }
            }
            busy(&served.card, rounds, CARD.id);
            busy(&served.disk, rounds, DISK.id);
        });
        served
    }
}

/// Ends the clients, also when the test fails.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Answers, all of them right.
#[derive(Debug, Default)]
pub(super) struct Served {
    requests: AtomicU64,
    files: AtomicU64,
    card: AtomicU64,
    disk: AtomicU64,
}

/// Waits until the device has served something more.
#[track_caller]
fn busy(count: &AtomicU64, round: u64, id: &str) {
    let (before, start) = (count.load(Ordering::Relaxed), Instant::now());
    while count.load(Ordering::Relaxed) == before {
        assert!(start.elapsed() < PATIENCE, "the {id} does not serve in round {round}");
        thread::sleep(Duration::from_millis(2));
    }
}

/// A client of what stays: nothing may be lost, and nothing be wrong.
fn stays(guest: &Guest, path: &str, body: &[u8], is_over: &AtomicBool, count: &AtomicU64) {
    let mut client = guest.client();
    while !is_over.load(Ordering::Relaxed) {
        let answer = client.get(path).unwrap_or_else(|error| panic!("{path}: {error}"));
        assert!(answer.status == 200 && answer.body == body, "{path}: status {}, another body", answer.status);
        count.fetch_add(1, Ordering::Relaxed);
    }
}

/// A client of what comes and goes: what is answered is right, or says that it cannot be.
fn leaves(guest: &Guest, victim: Victim, content: &[u8], is_over: &AtomicBool, count: &AtomicU64) {
    let (nic, path, body, patience) = if victim.id == CARD.id {
        (1, "/hello", &b"Hello, world!"[..], SHORT)
    } else {
        (0, "/files/other.bin", content, PATIENCE)
    };
    let port = guest.port(nic, Protocol::Tcp, 80);
    let mut client = None;
    while !is_over.load(Ordering::Relaxed) {
        let connected = client.take().map_or_else(|| Client::connect(port, patience), Ok);
        let answer = connected.and_then(|mut connection| {
            let answer: Response = connection.get(path)?;
            client = Some(connection);
            Ok(answer)
        });
        match answer {
            Ok(Response { status: 404 | 503, .. }) => thread::sleep(Duration::from_millis(5)),
            Ok(answer) => {
                assert!(answer.status == 200 && answer.body == body, "{path}: status {}, another body", answer.status);
                count.fetch_add(1, Ordering::Relaxed);
            }
            // Cut off in the middle, or not there at the moment.
            Err(_) => thread::sleep(Duration::from_millis(5)),
        }
    }
}
