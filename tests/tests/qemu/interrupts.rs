//! Devices that raise interrupts on request, in every mode that they support: raised = handled + coalesced, and QEMU's
//! own count agrees.

use core::time::Duration;

use switchboard_tests::{Exit, Guest, Irq, Machine, Qemu, SourceCounts, Trace, source_counts};

/// Enough for several rounds of every ring, and for devices whose timers coalesce interrupts.
const COUNT: u64 = 20_000;
const MANY: u64 = 1_000_000;

/// Trace event of every message, and of every line interrupt through the I/O APIC.
const DELIVERY: &str = "apic_deliver_irq";

/// Runs the app to its end, and checks the counts that it prints for each source.
fn raise(qemu: Qemu, count: u64) -> (Guest, Vec<SourceCounts>) {
    let limit = Duration::from_secs(if count > COUNT { 600 } else { 60 });
    let guest = qemu.option(&format!("app=interrupts -- raise {count}")).limit(limit).start();
    assert_eq!(guest.exit(), Exit::Success);
    let sources = source_counts(&guest);
    assert!(!sources.is_empty(), "no device was raised");
    for source in &sources {
        assert_eq!((source.lost, source.handled + source.coalesced), (0, source.raised), "{source:?}");
        assert!(source.handled > 0, "{source:?}");
    }
    (guest, sources)
}

fn sum(sources: &[SourceCounts], driver: &str, count: impl Fn(&SourceCounts) -> u64) -> u64 {
    sources.iter().filter(|source| source.driver == driver).map(count).sum()
}

/// Tests one device in one mode. `kept_apart`: it sends a message for each interrupt, rather than coalesce them itself.
fn mode(machine: Machine, device: &str, irq: Irq, mode: &str, width: usize, kept_apart: bool, count: u64) {
    let trace = Trace::of(DELIVERY);
    let (_, sources) = raise(trace.attach(Qemu::new(machine).device(device).irq(irq)), count);
    assert_eq!(sources.len(), width, "{sources:#?}");
    assert!(sources.iter().all(|source| source.mode == mode), "{sources:#?}");
    let raised: u64 = sources.iter().map(|source| source.raised).sum();
    assert_eq!(raised, count);

    // Fixed delivery of a vector other than the machine's own must come from the device, as there is no other.
    let delivered = trace.count(|event| event.contains("delivery_mode 0") && !event.contains("vector 0 "));
    // A call that finds causes of several sources counts on each of them.
    let handled = sources.iter().map(|source| source.handled);
    let calls: u64 = if kept_apart || mode == "msix" { handled.sum() } else { handled.max().unwrap_or(0) };
    assert!(delivered >= calls, "{calls} handler calls, but QEMU delivered {delivered}");
    if kept_apart {
        assert!(delivered >= raised, "{raised} raised, but QEMU delivered {delivered}");
    }
}

macro_rules! modes {
    ($($name:ident: $machine:ident $device:literal $irq:ident is $mode:literal, $width:literal sources, $apart:literal;)+) => {
        $(#[test] fn $name() {
            mode(Machine::$machine, $device, Irq::$irq, $mode, $width, $apart, COUNT);
        })+
    };
}

// The subsystem ID leaves the card to the driver that raises interrupts. It throttles each vector to one interrupt per 128 us, whatever the driver sets.
modes! {
    q35_edu_intx: Q35 "edu" Intx is "intx", 1 sources, true;
    q35_edu_msi: Q35 "edu" Msi is "msi", 1 sources, true;
    q35_e1000e_intx: Q35 "e1000e,subsys=0x5357" Intx is "intx", 5 sources, false;
    q35_e1000e_msi: Q35 "e1000e,subsys=0x5357" Msi is "msi", 5 sources, false;
    q35_e1000e_msix: Q35 "e1000e,subsys=0x5357" Msix is "msix", 5 sources, false;
    q35_xhci_intx: Q35 "nec-usb-xhci" Intx is "intx", 1 sources, true;
    q35_xhci_msi: Q35 "nec-usb-xhci" Msi is "msi", 16 sources, true;
    q35_xhci_msix: Q35 "nec-usb-xhci" Msix is "msix", 16 sources, true;
    pc_edu_intx: Pc "edu" Intx is "intx", 1 sources, true;
    pc_edu_msi: Pc "edu" Msi is "msi", 1 sources, true;
    pc_e1000e_intx: Pc "e1000e,subsys=0x5357" Intx is "intx", 5 sources, false;
    pc_e1000e_msi: Pc "e1000e,subsys=0x5357" Msi is "msi", 5 sources, false;
    pc_e1000e_msix: Pc "e1000e,subsys=0x5357" Msix is "msix", 5 sources, false;
    pc_xhci_intx: Pc "nec-usb-xhci" Intx is "intx", 1 sources, true;
    pc_xhci_msi: Pc "nec-usb-xhci" Msi is "msi", 16 sources, true;
    pc_xhci_msix: Pc "nec-usb-xhci" Msix is "msix", 16 sources, true;
    // Modes that the device lacks, rather than modes that the command line forbids.
    q35_xhci_without_msix: Q35 "nec-usb-xhci,msix=off,msi=on" Auto is "msi", 16 sources, true;
    q35_xhci_without_messages: Q35 "nec-usb-xhci,msix=off,msi=off" Auto is "intx", 1 sources, true;
}

#[test]
fn with_few_vectors_there_are_fewer_sources_and_no_loss() {
    // When vectors are short, MSI-X uses those that are left.
    for (vectors, width) in [(8, 7), (3, 3), (1, 1)] {
        let qemu = Qemu::new(Machine::Q35).device("nec-usb-xhci").option(&format!("vectors={vectors}"));
        assert_eq!(raise(qemu, COUNT).1.len(), width);
    }
    let (_, sources) = raise(Qemu::new(Machine::Q35).device("e1000e,subsys=0x5357").option("vectors=2"), COUNT);
    assert_eq!(sources.len(), 5, "its causes are distinguished on a folded vector too: {sources:#?}");
}

/// Tests three different devices on one line: their slots' pins are routed alike.
fn three_on_a_line(machine: Machine, count: u64) {
    let qemu =
        Qemu::new(machine).device("edu,addr=4").device("e1000e,subsys=0x5357,addr=8").device("nec-usb-xhci,addr=0xc");
    let (guest, sources) = raise(qemu.irq(Irq::Intx), count);
    for driver in ["edu", "e1000e", "xhci"] {
        assert_eq!(sum(&sources, driver, |source| source.raised), count, "{driver}: {sources:#?}");
    }
    let text = guest.console().text();
    let wires: Vec<_> =
        text.lines().filter_map(|line| line.split_once("intx ").filter(|_| line.starts_with("0000:"))).collect();
    assert_eq!(wires.len(), 3, "{text}");
    assert!(wires.iter().all(|(_, wire)| wire.trim() == wires[0].1.trim()), "one line for all: {wires:#?}");
}

#[test]
fn q35_three_on_a_line() {
    three_on_a_line(Machine::Q35, COUNT);
}

#[test]
fn pc_three_on_a_line() {
    three_on_a_line(Machine::Pc, COUNT);
}

#[test]
#[ignore = "long: run by `make test-load`"]
fn million_intx() {
    mode(Machine::Q35, "edu", Irq::Intx, "intx", 1, true, MANY);
}

#[test]
#[ignore = "long: run by `make test-load`"]
fn million_shared_intx() {
    three_on_a_line(Machine::Q35, MANY);
}

#[test]
#[ignore = "long: run by `make test-load`"]
fn million_msi() {
    mode(Machine::Q35, "nec-usb-xhci", Irq::Msi, "msi", 16, true, MANY);
    mode(Machine::Q35, "e1000e,subsys=0x5357", Irq::Msi, "msi", 5, false, MANY);
}

#[test]
#[ignore = "long: run by `make test-load`"]
fn million_msix() {
    mode(Machine::Q35, "nec-usb-xhci", Irq::Msix, "msix", 16, true, MANY);
    mode(Machine::Q35, "e1000e,subsys=0x5357", Irq::Msix, "msix", 5, false, MANY);
}
