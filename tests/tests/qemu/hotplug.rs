//! Native hot-plug: devices put in and taken out by QEMU at a port that the image drives; with its knowledge, and
//! without.

use core::time::Duration;

use switchboard_tests::{Guest, Irq, Machine, Qemu, Qmp, QmpSession, Qtest};

/// Otherwise q35 hot-plugs by ACPI methods, and its ports have nothing to say.
const NATIVE: &str = "ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off";
const ROOT_PORT: &str = "pcie-root-port,id=bay,chassis=1,slot=7,addr=4";
const PATIENCE: Duration = Duration::from_secs(30);

struct Bench {
    guest: Guest,
    qmp: QmpSession,
    /// Lines of the slot that were looked at.
    seen: usize,
}

impl Bench {
    /// A guest with one slot, number 7.
    fn new(irq: Irq, ports: &[&str], change: impl FnOnce(Qemu) -> Qemu) -> Self {
        let qmp = Qmp::default();
        let qemu = Qemu::new(Machine::Q35).argument("-global", NATIVE).option("app=hotplug").irq(irq);
        let qemu = qemu.argument("-blockdev", "driver=null-co,node-name=zeroes,size=1048576");
        let qemu = ports.iter().fold(qemu, |qemu, port| qemu.bridge(port));
        let guest = change(qmp.attach(qemu)).start();
        // What is pressed before that is nobody's wish.
        guest.wait_for("slot 7: watched");
        Self { guest, qmp: qmp.connect(), seen: 0 }
    }

    /// The next line that the app says of the slot.
    #[track_caller]
    fn next(&mut self) -> String {
        self.seen += 1;
        let line = self.guest.console().wait_for_nth("hotplug: slot 7: ", self.seen, PATIENCE);
        line.unwrap_or_else(|| panic!("the slot had nothing more to say after {} lines", self.seen - 1))
    }

    /// Puts a disk in, and waits until it is driven.
    fn put_in(&mut self, id: &str) -> String {
        self.qmp.add("virtio-blk-pci", id, &[("bus", "bay"), ("drive", "zeroes")]);
        let driven = self.next();
        assert!(driven.ends_with(": 2048 sectors"), "{driven}");
        let added = self.next();
        assert!(added.contains("Added"), "{added}");
        added
    }
}

/// Vectors that were free then.
fn free(line: &str) -> &str {
    line.split(", ").nth(1).expect("the count of free vectors")
}

/// Three devices, one after the other, at a port that interrupts in that mode.
fn politely(irq: Irq, ports: &[&str], mode: &str) {
    let mut bench = Bench::new(irq, ports, |qemu| qemu);
    let mut before = None;
    for id in ["first", "second", "third"] {
        let added = bench.put_in(id);
        bench.qmp.request_removal(id).expect("the guest may be asked");
        bench.qmp.wait_until_deleted(id);
        let asked = bench.next();
        assert!(asked.contains("RemovalAsked"), "{asked}");
        // On the line it may share that of the port.
        assert!(irq == Irq::Intx || free(&added) != free(&asked), "it had no vector: {asked}");
        assert_eq!(*before.get_or_insert_with(|| free(&asked).to_owned()), free(&asked));
    }
    assert!(bench.guest.console().text().contains(&format!("hotplug by {mode}")));
}

#[test]
fn root_port_by_msix() {
    politely(Irq::Auto, &[ROOT_PORT], "msix");
}

#[test]
fn root_port_by_msi() {
    politely(Irq::Auto, &["ioh3420,id=bay,chassis=1,slot=7,addr=4"], "msi");
}

#[test]
fn root_port_by_the_line() {
    politely(Irq::Intx, &[ROOT_PORT], "intx");
}

#[test]
fn port_of_a_switch() {
    let switch = [
        "pcie-root-port,id=root,chassis=1,slot=3,addr=4,hotplug=off",
        "x3130-upstream,id=upstream,bus=root",
        "xio3130-downstream,id=bay,bus=upstream,chassis=2,slot=7",
    ];
    politely(Irq::Auto, &switch, "msi");
}

/// Power is taken from outside, in the middle of work: the function reads ones at once, and nobody was asked.
#[test]
fn pulled_while_it_works() {
    let qtest = Qtest::default();
    let mut bench = Bench::new(Irq::Auto, &[ROOT_PORT], |qemu| qtest.attach(qemu));
    let mut before = None;
    for id in ["first", "second", "third"] {
        bench.put_in(id);
        qtest.power_off((0, 4, 0));
        bench.qmp.wait_until_deleted(id);
        let line = bench.next();
        // Its driver may have found out by itself, before the port said so.
        let gone = if line.contains("is gone") { bench.next() } else { line };
        assert!(gone.contains("Gone"), "{gone}");
        assert_eq!(*before.get_or_insert_with(|| free(&gone).to_owned()), free(&gone));
    }
}

/// What is in the slot when the machine starts can be taken out as what came later.
#[test]
fn there_from_the_start() {
    let mut bench =
        Bench::new(Irq::Auto, &[ROOT_PORT], |qemu| qemu.device("virtio-blk-pci,bus=bay,id=first,drive=zeroes"));
    assert!(bench.next().ends_with(": 2048 sectors"));
    bench.qmp.request_removal("first").expect("the guest may be asked");
    bench.qmp.wait_until_deleted("first");
    assert!(bench.next().contains("RemovalAsked"));
    bench.put_in("second");
}
