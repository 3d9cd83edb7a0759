//! Every machine, network device and interrupt mode: an address, files, requests, and the reports that tell of them.

use switchboard_tests::{FunctionReport, Guest, Irq, Machine, Nic, Qemu, mebibyte_file, sha256};

/// A guest as `make run` starts it.
fn boot(machine: Machine, nic: Nic, irq: Irq) -> Guest {
    Qemu::new(machine).nic(nic).files().device("virtio-rng-pci").device("edu").irq(irq).start()
}

fn driver(nic: Nic) -> &'static str {
    match nic {
        Nic::Virtio => "virtio-net",
        Nic::E1000 => "e1000",
    }
}

/// The report of the function that `driver` has, or that it could not take.
fn report<'a>(functions: &'a [FunctionReport], driver: &str) -> &'a FunctionReport {
    let mut found = functions.iter().filter(|function| function.driver.as_deref() == Some(driver));
    let one = found.next().unwrap_or_else(|| panic!("no function has the driver {driver}: {functions:#?}"));
    assert!(found.next().is_none(), "two functions have the driver {driver}: {functions:#?}");
    one
}

/// The network works in `mode`, and the reports say so.
fn serves(machine: Machine, nic: Nic, irq: Irq, mode: &str) {
    let guest = boot(machine, nic, irq);
    guest.wait_for("address 10.0.2.15");
    let mut client = guest.client();

    let before = guest.interrupts().count(driver(nic));
    let file = client.get("/files/1mib.bin").expect("the file");
    assert_eq!((file.status, sha256(&file.body)), (200, sha256(&mebibyte_file())));
    for request in 0..1000 {
        let hello = client.get("/hello").unwrap_or_else(|error| panic!("request {request}: {error}"));
        assert_eq!((hello.status, hello.body.len()), (200, 13), "request {request}");
    }

    let interrupts = guest.interrupts();
    let after = interrupts.count(driver(nic));
    assert!(after > before, "1,000 requests raised no interrupt: {before} before, {after} after");
    assert!(interrupts.of(driver(nic)).all(|row| row.mode == mode), "{:#?}", interrupts.vectors);

    let functions = guest.functions();
    let network = report(&functions, driver(nic));
    assert_eq!((network.state.as_str(), network.mode.as_str()), ("live", mode));
    // The others follow the same command line.
    let forced =
        |offered: bool, mode: &str| if offered { ("live", mode.to_owned()) } else { ("failed", "none".to_owned()) };
    let others = match irq {
        Irq::Auto => [("virtio-blk", forced(true, "msix")), ("edu", forced(true, "msi"))],
        Irq::Intx => [("virtio-blk", forced(true, "intx")), ("edu", forced(true, "intx"))],
        Irq::Msix => [("virtio-blk", forced(true, "msix")), ("edu", forced(false, "msix"))],
        Irq::Msi => [("virtio-blk", forced(false, "msi")), ("edu", forced(true, "msi"))],
    };
    for (driver, (state, mode)) in others {
        let function = report(&functions, driver);
        assert!(function.state.starts_with(state), "{driver}: {function:#?}");
        assert_eq!(function.mode, mode, "{driver}: {function:#?}");
    }
}

macro_rules! serves {
    ($($name:ident: $machine:ident $nic:ident $irq:ident is $mode:literal;)+) => {
        $(#[test] fn $name() { serves(Machine::$machine, Nic::$nic, Irq::$irq, $mode); })+
    };
}

serves! {
    q35_virtio_auto: Q35 Virtio Auto is "msix";
    q35_virtio_msix: Q35 Virtio Msix is "msix";
    q35_virtio_intx: Q35 Virtio Intx is "intx";
    q35_e1000_auto: Q35 E1000 Auto is "intx";
    q35_e1000_intx: Q35 E1000 Intx is "intx";
    pc_virtio_auto: Pc Virtio Auto is "msix";
    pc_virtio_msix: Pc Virtio Msix is "msix";
    pc_virtio_intx: Pc Virtio Intx is "intx";
    pc_e1000_auto: Pc E1000 Auto is "intx";
    pc_e1000_intx: Pc E1000 Intx is "intx";
}

/// A mode that the network device cannot do: it stays without a driver, the console says why, and the rest works.
fn refuses(machine: Machine, nic: Nic, irq: Irq, wanted: &str, working: &str) {
    let guest = boot(machine, nic, irq);
    let table = guest.wait_for(driver(nic));
    assert!(table.contains("failed"), "{table}");
    let why = guest.wait_for(wanted);
    assert!(!why.is_empty(), "{why}");
    guest.wait_for(working);
    assert!(guest.is_running(), "the machine lives on");
}

#[test]
fn q35_e1000_msix_is_refused() {
    refuses(Machine::Q35, Nic::E1000, Irq::Msix, "MSI-X", "virtio-blk");
}

#[test]
fn pc_e1000_msix_is_refused() {
    refuses(Machine::Pc, Nic::E1000, Irq::Msix, "MSI-X", "virtio-blk");
}

#[test]
fn q35_virtio_msi_is_refused() {
    refuses(Machine::Q35, Nic::Virtio, Irq::Msi, "MSI", "edu");
}
