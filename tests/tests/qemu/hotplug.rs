//! Native hot-plug: QEMU adds and removes devices at a port that the image drives, with and without notice.

use core::time::Duration;

use std::thread;
use std::time::Instant;

use serde_json::json;
use switchboard_tests::{Guest, Irq, Machine, Nic, Qemu, Qmp, QmpSession, Qtest, serves_the_file};

/// Disables hot-plug by ACPI, which q35 uses by default instead of native slot events.
const NATIVE: &str = "ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off";
const ROOT_PORT: &str = "pcie-root-port,id=bay,chassis=1,slot=7,addr=4";
const TIMEOUT: Duration = Duration::from_secs(30);

struct HotPlugTest {
    guest: Guest,
    qmp: QmpSession,
    /// Number of the slot's lines that were read.
    read: usize,
}

impl HotPlugTest {
    /// Starts a guest with one slot, number 7.
    fn new(irq: Irq, ports: &[&str], change: impl FnOnce(Qemu) -> Qemu) -> Self {
        let qmp = Qmp::default();
        let qemu = Qemu::new(Machine::Q35).argument("-global", NATIVE).option("app=hotplug").irq(irq);
        let qemu = qemu.argument("-blockdev", "driver=null-co,node-name=zeroes,size=1048576");
        let qemu = ports.iter().fold(qemu, |qemu, port| qemu.bridge(port));
        let guest = change(qmp.attach(qemu)).start();
        // Attention button presses before that are ignored.
        guest.wait_for("slot 7: watched");
        Self { guest, qmp: qmp.connect(), read: 0 }
    }

    /// Waits for the next line about the slot.
    #[track_caller]
    fn next(&mut self) -> String {
        self.read += 1;
        let line = self.guest.console().wait_for_nth("hotplug: slot 7: ", self.read, TIMEOUT);
        line.unwrap_or_else(|| panic!("no further line about the slot after {} lines", self.read - 1))
    }

    /// Adds a disk and waits until a driver is bound.
    fn add_disk(&mut self, id: &str) -> String {
        self.qmp.add("virtio-blk-pci", id, &[("bus", "bay"), ("drive", "zeroes")]);
        let driven = self.next();
        assert!(driven.ends_with(": 2048 sectors"), "{driven}");
        let added = self.next();
        assert!(added.contains("Added"), "{added}");
        added
    }
}

/// Returns the number of vectors that were free at that line.
fn free(line: &str) -> &str {
    line.split(", ").nth(1).expect("the count of free vectors")
}

/// Adds and removes three devices in turn, at a port that interrupts in mode `mode`.
fn orderly_removals(irq: Irq, ports: &[&str], mode: &str) {
    let mut test = HotPlugTest::new(irq, ports, |qemu| qemu);
    let mut before = None;
    for id in ["first", "second", "third"] {
        let added = test.add_disk(id);
        test.qmp.request_removal(id).expect("QEMU accepts the request");
        test.qmp.wait_until_deleted(id);
        let requested = test.next();
        assert!(requested.contains("RemovalRequested"), "{requested}");
        // By INTx the device may share the port's line.
        assert!(irq == Irq::Intx || free(&added) != free(&requested), "it had no vector: {requested}");
        assert_eq!(*before.get_or_insert_with(|| free(&requested).to_owned()), free(&requested));
    }
    assert!(test.guest.console().text().contains(&format!("hotplug by {mode}")));
}

#[test]
fn root_port_by_msix() {
    orderly_removals(Irq::Auto, &[ROOT_PORT], "msix");
}

#[test]
fn root_port_by_msi() {
    orderly_removals(Irq::Auto, &["ioh3420,id=bay,chassis=1,slot=7,addr=4"], "msi");
}

#[test]
fn root_port_by_the_line() {
    orderly_removals(Irq::Intx, &[ROOT_PORT], "intx");
}

#[test]
fn port_of_a_switch() {
    let switch = [
        "pcie-root-port,id=root,chassis=1,slot=3,addr=4,hotplug=off",
        "x3130-upstream,id=upstream,bus=root",
        "xio3130-downstream,id=bay,bus=upstream,chassis=2,slot=7",
    ];
    orderly_removals(Irq::Auto, &switch, "msi");
}

/// Power is turned off from outside during I/O: the function reads ones at once, without a removal request.
#[test]
fn surprise_removal_during_io() {
    let qtest = Qtest::default();
    let mut test = HotPlugTest::new(Irq::Auto, &[ROOT_PORT], |qemu| qtest.attach(qemu));
    let mut before = None;
    for id in ["first", "second", "third"] {
        test.add_disk(id);
        qtest.power_off((0, 4, 0));
        test.qmp.wait_until_deleted(id);
        let line = test.next();
        // The driver may detect the removal before the port reports it.
        let gone = if line.contains("is gone") { test.next() } else { line };
        assert!(gone.contains("Gone"), "{gone}");
        assert_eq!(*before.get_or_insert_with(|| free(&gone).to_owned()), free(&gone));
    }
}

/// A device that is present at boot can be removed like one that was added later.
#[test]
fn a_device_that_is_present_at_boot() {
    let mut test =
        HotPlugTest::new(Irq::Auto, &[ROOT_PORT], |qemu| qemu.device("virtio-blk-pci,bus=bay,id=first,drive=zeroes"));
    assert!(test.next().ends_with(": 2048 sectors"));
    test.qmp.request_removal("first").expect("QEMU accepts the request");
    test.qmp.wait_until_deleted("first");
    assert!(test.next().contains("RemovalRequested"));
    test.add_disk("second");
}

/// A bridge is added with cards behind it, for one of which there is no driver.
#[test]
fn cards_behind_a_bridge_that_is_added() {
    let qmp = Qmp::default();
    let qemu = Qemu::new(Machine::Q35).argument("-global", NATIVE).nic(Nic::Virtio).files();
    let guest = qmp.attach(qemu.bridge(ROOT_PORT)).start();
    serves_the_file(&guest);
    let mut qmp = qmp.connect();
    // The guest sees the bridge with all that is behind it.
    qmp.command("stop", &json!({})).expect("a pause");
    qmp.add("pcie-pci-bridge", "bridge", &[("bus", "bay")]);
    qmp.add("edu", "card", &[("bus", "bridge"), ("addr", "2")]);
    qmp.add("e1000", "other", &[("bus", "bridge"), ("addr", "3")]);
    qmp.add("pci-testdev", "neither", &[("bus", "bridge"), ("addr", "4")]);
    qmp.command("cont", &json!({})).expect("an end of it");
    let end = Instant::now() + TIMEOUT;
    loop {
        let functions = guest.functions();
        let find = |id: (&str, &str)| functions.iter().find(|it| (&*it.vendor, &*it.device) == id);
        let driver = |id| find(id).and_then(|it| it.driver.as_deref());
        if (driver(("1234", "11e8")), driver(("8086", "100e"))) == (Some("edu"), Some("e1000")) {
            assert!(find(("1b36", "0005")).is_some_and(|it| it.driver.is_none() && it.state == "unclaimed"));
            break;
        }
        assert!(Instant::now() < end, "no drivers: {functions:#?}");
        thread::sleep(Duration::from_millis(50));
    }
    qmp.request_removal("bridge").expect("QEMU accepts the request");
    qmp.wait_until_deleted("bridge");
    serves_the_file(&guest);
}
