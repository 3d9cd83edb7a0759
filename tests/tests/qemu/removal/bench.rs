//! A guest with a permanent card and disk, a removable card and disk, and clients of them all.

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use core::time::Duration;
use std::fs;
use std::thread;
use std::time::Instant;

use switchboard_tests::{
    Client, Guest, Irq, Machine, Nic, Protocol, Qemu, Qmp, QmpSession, Qtest, Response, ScratchPath, archive,
    mebibyte_file,
};

/// Disables hot-plug by ACPI, which q35 uses by default instead of native slot events.
const NATIVE: &str = "ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off";
/// Limit for an added device to serve, and for the figures to return to their values.
pub(super) const TIMEOUT: Duration = Duration::from_secs(30);
/// Timeout of requests to a card that may be removed.
const SHORT_TIMEOUT: Duration = Duration::from_millis(300);

/// Number of connections of the warm-up.
const WARM_UP_CONNECTIONS: usize = 24;

/// How a device is removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RemovalMethod {
    /// By a removal request to the guest.
    Requested,
    /// By turning its power off, without a request.
    Surprise,
}

/// A removable device.
struct Removable {
    driver: &'static str,
    id: &'static str,
    options: &'static [(&'static str, &'static str)],
    /// Address of its port.
    port: (u8, u8, u8),
}

const CARD: Removable = Removable {
    driver: "virtio-net-pci",
    id: "card",
    options: &[("bus", "first"), ("netdev", "net1"), ("romfile", "")],
    port: (0, 8, 0),
};
const DISK: Removable = Removable {
    driver: "virtio-blk-pci",
    id: "disk",
    options: &[("bus", "second"), ("drive", "other")],
    port: (0, 9, 0),
};

/// The guest, and the means to remove and add its devices.
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
        // A drive of the usual type would be deleted with its device.
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

    /// Opens more concurrent connections than the test needs, so that lists and tasks that are allocated per connection
    /// reach the size that they keep.
    pub(super) fn warm_up(&self) {
        let mut clients: Vec<_> = (0..WARM_UP_CONNECTIONS).map(|_| self.guest.client()).collect();
        for client in &mut clients {
            assert_eq!(client.get("/hello").expect("an answer").status, 200);
        }
    }

    /// Removes and adds the devices in turn, while clients use them and the permanent ones.
    pub(super) fn rounds(&mut self, rounds: u64, method: RemovalMethod) -> Served {
        let Self { guest, qmp, qtest, content, .. } = self;
        let (is_over, served) = (AtomicBool::new(false), Served::default());
        thread::scope(|scope| {
            let (guest, content, is_over, served) = (&*guest, &*content, &is_over, &served);
            let _over = EndOnDrop(is_over);
            scope.spawn(move || request_permanent(guest, "/hello", b"Hello, world!", is_over, &served.requests));
            scope.spawn(move || request_permanent(guest, "/files/1mib.bin", &mebibyte_file(), is_over, &served.files));
            scope.spawn(move || request_removable(guest, CARD, content, is_over, &served.card));
            scope.spawn(move || request_removable(guest, DISK, content, is_over, &served.disk));
            for round in 0..rounds {
                for (device, count) in [(CARD, &served.card), (DISK, &served.disk)] {
                    wait_until_served(count, round, device.id);
                    match method {
                        RemovalMethod::Requested => qmp.request_removal(device.id).expect("QEMU accepts the request"),
                        RemovalMethod::Surprise => qtest.power_off(device.port),
                    }
                    qmp.wait_until_deleted(device.id);
                    qmp.add(device.driver, device.id, device.options);
                }
            }
            wait_until_served(&served.card, rounds, CARD.id);
            wait_until_served(&served.disk, rounds, DISK.id);
        });
        served
    }
}

/// Ends the clients when dropped, also when the test fails.
struct EndOnDrop<'a>(&'a AtomicBool);

impl Drop for EndOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Numbers of correct responses.
#[derive(Debug, Default)]
pub(super) struct Served {
    requests: AtomicU64,
    files: AtomicU64,
    card: AtomicU64,
    disk: AtomicU64,
}

/// Waits until the device has served another request.
#[track_caller]
fn wait_until_served(count: &AtomicU64, round: u64, id: &str) {
    let (before, start) = (count.load(Ordering::Relaxed), Instant::now());
    while count.load(Ordering::Relaxed) == before {
        assert!(start.elapsed() < TIMEOUT, "the {id} does not serve in round {round}");
        thread::sleep(Duration::from_millis(2));
    }
}

/// Requests from a permanent device: no request may fail, no response be wrong.
fn request_permanent(guest: &Guest, path: &str, body: &[u8], is_over: &AtomicBool, count: &AtomicU64) {
    let mut client = guest.client();
    while !is_over.load(Ordering::Relaxed) {
        let answer = client.get(path).unwrap_or_else(|error| panic!("{path}: {error}"));
        assert!(answer.status == 200 && answer.body == body, "{path}: status {}, another body", answer.status);
        count.fetch_add(1, Ordering::Relaxed);
    }
}

/// Requests from a removable device: each response is correct, or reports that the device is absent.
fn request_removable(guest: &Guest, device: Removable, content: &[u8], is_over: &AtomicBool, count: &AtomicU64) {
    let (nic, path, body, timeout) = if device.id == CARD.id {
        (1, "/hello", &b"Hello, world!"[..], SHORT_TIMEOUT)
    } else {
        (0, "/files/other.bin", content, TIMEOUT)
    };
    let port = guest.port(nic, Protocol::Tcp, 80);
    let mut client = None;
    while !is_over.load(Ordering::Relaxed) {
        let connected = client.take().map_or_else(|| Client::connect(port, timeout), Ok);
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
            // Interrupted, or the device is absent at the moment.
            Err(_) => thread::sleep(Duration::from_millis(5)),
        }
    }
}
