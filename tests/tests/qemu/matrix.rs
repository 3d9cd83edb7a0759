//! Every machine, network device and interrupt mode: DHCP, files, requests, and the reports about them.

use switchboard_tests::{FunctionReport, Guest, Irq, Machine, Nic, Qemu, mebibyte_file, sha256};

/// Starts a guest as `make run` does.
fn boot(machine: Machine, nic: Nic, irq: Irq) -> Guest {
    Qemu::new(machine).nic(nic).files().device("virtio-rng-pci").device("edu").irq(irq).start()
}

fn driver(nic: Nic) -> &'static str {
    match nic {
        Nic::Virtio => "virtio-net",
        Nic::E1000 => "e1000",
        Nic::E1000e => "e1000e",
        Nic::Vmxnet3 => "vmxnet3",
        Nic::Rtl8139 => "rtl8139",
    }
}

/// Returns vendor and device id of the function; for virtio the older id, since these devices are transitional.
fn id(driver: &str) -> (&'static str, &'static str) {
    match driver {
        "virtio-net" => ("1af4", "1000"),
        "virtio-blk" => ("1af4", "1001"),
        "e1000" => ("8086", "100e"),
        "e1000e" => ("8086", "10d3"),
        "vmxnet3" => ("15ad", "07b0"),
        "rtl8139" => ("10ec", "8139"),
        "edu" => ("1234", "11e8"),
        other => panic!("no id of {other} is known here"),
    }
}

/// Returns the report of the one function that `driver` is bound to, or could not be bound to.
fn report<'a>(functions: &'a [FunctionReport], driver: &str) -> &'a FunctionReport {
    let wanted = id(driver);
    let mut found = functions.iter().filter(|function| (function.vendor.as_str(), function.device.as_str()) == wanted);
    let one = found.next().unwrap_or_else(|| panic!("no {driver} in {functions:#?}"));
    assert!(found.next().is_none(), "two {driver} in {functions:#?}");
    one
}

/// Checks that the function is live in `mode`, or, for `None`, has no driver and the reason is reported.
fn check(functions: &[FunctionReport], driver: &str, mode: Option<&str>) {
    let function = report(functions, driver);
    assert_eq!(function.mode, mode.unwrap_or("none"), "{function:#?}");
    if mode.is_some() {
        assert_eq!((function.driver.as_deref(), function.state.as_str()), (Some(driver), "live"), "{function:#?}");
    } else {
        let reason = format!("failed: {driver}: no interrupt mode fits");
        assert!(function.driver.is_none() && function.state.starts_with(&reason), "{function:#?}");
    }
}

/// Checks that the network works in `mode`, and that the reports agree.
fn serves(machine: Machine, nic: Nic, irq: Irq, mode: &str) {
    let guest = boot(machine, nic, irq);
    guest.wait_for("address 10.0.2.15");
    let mut client = guest.client();

    let before = guest.interrupts().claimed(driver(nic));
    let file = client.get("/files/1mib.bin").expect("the file");
    assert_eq!((file.status, sha256(&file.body)), (200, sha256(&mebibyte_file())));
    for request in 0..1000 {
        let hello = client.get("/hello").unwrap_or_else(|error| panic!("request {request}: {error}"));
        assert_eq!((hello.status, hello.body.len()), (200, 13), "request {request}");
    }

    let interrupts = guest.interrupts();
    let after = interrupts.claimed(driver(nic));
    assert!(after > before, "1,000 requests raised no interrupt: {before} before, {after} after");
    assert!(interrupts.of(driver(nic)).all(|row| row.mode == mode), "{:#?}", interrupts.vectors);

    let functions = guest.functions();
    check(&functions, driver(nic), Some(mode));
    // The other functions follow the same command line; edu has no MSI-X.
    let (disk, edu) = match irq {
        Irq::Auto => (Some("msix"), Some("msi")),
        Irq::Intx => (Some("intx"), Some("intx")),
        Irq::Msix => (Some("msix"), None),
        Irq::Msi => (None, Some("msi")),
    };
    check(&functions, "virtio-blk", disk);
    check(&functions, "edu", edu);
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
    q35_e1000e_auto: Q35 E1000e Auto is "msix";
    q35_vmxnet3_auto: Q35 Vmxnet3 Auto is "msix";
    q35_rtl8139_auto: Q35 Rtl8139 Auto is "intx";
    pc_virtio_auto: Pc Virtio Auto is "msix";
    pc_virtio_msix: Pc Virtio Msix is "msix";
    pc_virtio_intx: Pc Virtio Intx is "intx";
    pc_e1000_auto: Pc E1000 Auto is "intx";
    pc_e1000_intx: Pc E1000 Intx is "intx";
    pc_e1000e_intx: Pc E1000e Intx is "intx";
}

#[test]
fn an_older_cpu_serves() {
    // QEMU's default: no x2APIC, no RDRAND, no feature introduced after 2008.
    let guest = Qemu::new(Machine::Pc).nic(Nic::Virtio).cpu("qemu64").start();
    assert_eq!(guest.client().get("/hello").expect("an answer").status, 200);
}

#[test]
fn further_cpus_do_no_harm() {
    let guest = Qemu::new(Machine::Q35).nic(Nic::Virtio).argument("-smp", "2").start();
    let mut client = guest.client();
    for request in 0..1000 {
        let hello = client.get("/hello").unwrap_or_else(|error| panic!("request {request}: {error}"));
        assert_eq!(hello.status, 200, "request {request}");
    }
}

/// Checks a mode that the network device lacks: it has no driver, the console prints the reason, and the rest works.
fn refuses(machine: Machine, nic: Nic, irq: Irq, working: &str) {
    let guest = boot(machine, nic, irq);
    let row = |driver| {
        let (vendor, device) = id(driver);
        guest.wait_for(&format!("{vendor}:{device}"))
    };
    let refused = row(driver(nic));
    assert!(refused.contains("no interrupt mode fits"), "{refused}");
    let granted = row(working);
    assert!(!granted.contains("failed"), "{granted}");
    assert!(guest.is_running(), "the machine runs on");
}

#[test]
fn q35_e1000_msix_is_refused() {
    refuses(Machine::Q35, Nic::E1000, Irq::Msix, "virtio-blk");
}

#[test]
fn q35_e1000_msi_is_refused() {
    refuses(Machine::Q35, Nic::E1000, Irq::Msi, "edu");
}

#[test]
fn pc_e1000_msix_is_refused() {
    refuses(Machine::Pc, Nic::E1000, Irq::Msix, "virtio-blk");
}

#[test]
fn q35_virtio_msi_is_refused() {
    refuses(Machine::Q35, Nic::Virtio, Irq::Msi, "edu");
}
