//! Interrupts that are moved from CPU to CPU, every millisecond, while they are raised: raised = handled + coalesced, in each mode; and
//! registrations on other CPUs that are dropped under fire.

use core::time::Duration;
use std::collections::BTreeSet;

use switchboard_tests::{Exit, Guest, Irq, Machine, Nic, Qemu, mebibyte_file, source_counts};

const COUNT: u64 = 20_000;
const MANY: u64 = 1_000_000;

/// Returns the numbers of moves, of CPUs, and of interrupts without a handler.
pub(crate) fn moves(guest: &Guest) -> [u64; 3] {
    let line = guest.wait_for("steered ");
    let numbers: Vec<_> = line.split(' ').filter_map(|word| word.parse().ok()).collect();
    numbers.try_into().unwrap_or_else(|_| panic!("{line}"))
}

/// Raises interrupts of the devices while they are moved among `cpus` CPUs, and checks the counts of each source.
fn steered(cpus: u64, devices: &[&str], irq: Irq, mode: &str, count: u64) {
    let qemu = devices.iter().fold(Qemu::new(Machine::Q35), |qemu, device| qemu.device(device));
    let qemu = qemu.argument("-smp", &cpus.to_string()).irq(irq);
    let limit = Duration::from_secs(if count > COUNT { 900 } else { 60 });
    let guest = qemu.option(&format!("app=interrupts -- steer {count}")).limit(limit).start();
    assert_eq!(guest.exit(), Exit::Success);
    let sources = source_counts(&guest);
    assert_eq!(sources.iter().map(|source| source.raised).sum::<u64>(), count * devices.len() as u64);
    for source in &sources {
        assert_eq!((source.lost, source.handled + source.coalesced), (0, source.raised), "{source:?}");
        assert!(source.handled > 0 && source.mode == mode, "{source:?}");
    }
    let [moves, among, unexpected] = moves(&guest);
    assert!(among == cpus && moves >= count / 400, "{moves} moves among {among} CPUs");
    // A message that had been sent to a vector found its handler there.
    assert_eq!(unexpected, 0);
}

#[test]
fn messages_are_steered_one_by_one() {
    steered(2, &["nec-usb-xhci"], Irq::Msix, "msix", COUNT);
    steered(4, &["nec-usb-xhci"], Irq::Msix, "msix", COUNT);
}

#[test]
fn blocks_of_messages_are_steered() {
    steered(4, &["nec-usb-xhci", "edu"], Irq::Msi, "msi", COUNT);
}

#[test]
fn lines_are_steered() {
    // Two of them share a line.
    steered(4, &["edu,addr=4", "nec-usb-xhci,addr=5", "edu,addr=8"], Irq::Intx, "intx", COUNT);
}

#[test]
#[ignore = "long: run by `make test-load`"]
fn millions_are_steered() {
    for cpus in [2, 4, 8] {
        steered(cpus, &["nec-usb-xhci"], Irq::Msix, "msix", MANY);
        steered(cpus, &["nec-usb-xhci"], Irq::Msi, "msi", MANY);
        steered(cpus, &["edu"], Irq::Intx, "intx", MANY);
    }
}

/// The handlers of a card and of a disk run on all CPUs, and their drivers' tasks on the boot CPU.
#[test]
fn drivers_are_served_by_all_cpus() {
    let qemu = Qemu::new(Machine::Q35).argument("-smp", "4").nic(Nic::Virtio).files_on("nvme,serial=1");
    let guest = qemu.option("irqcpus=all").start();
    let body = guest.client().get("/files/1mib.bin").expect("a file").body;
    assert!(body == mebibyte_file());
    let rows = guest.interrupts().vectors;
    let cpus: BTreeSet<_> = rows.iter().filter(|row| row.claimed > 0).map(|row| row.cpu).collect();
    assert!(cpus.len() > 1, "{rows:#?}");
    let metrics = String::from_utf8(guest.client().get("/metrics").expect("the metrics").body).expect("UTF-8");
    assert!((0..4).all(|cpu| metrics.contains(&format!("switchboard_vectors_used{{cpu=\"{cpu}\"}} "))), "{metrics}");
}
