//! Virtio devices with few vectors, on shared lines, and side by side.

use std::collections::BTreeSet;

use switchboard_tests::{Guest, InterruptsReport, Irq, Machine, Nic, Qemu, ScratchDisk};

/// Requests the small page a hundred times.
fn hundred_requests(guest: &Guest) {
    let mut client = guest.client();
    for request in 0..100 {
        let hello = client.get("/hello").unwrap_or_else(|error| panic!("request {request}: {error}"));
        assert_eq!((hello.status, hello.body.len()), (200, 13), "request {request}");
    }
}

/// Checks that a network device with `entries` MSI-X entries serves; returns its interrupt counters.
fn with_entries(entries: u32) -> InterruptsReport {
    let guest = Qemu::new(Machine::Q35).nic_device(&format!("virtio-net-pci,vectors={entries}")).files().start();
    hundred_requests(&guest);
    let functions = guest.functions();
    let network = functions.iter().find(|function| function.driver.as_deref() == Some("virtio-net"));
    let network = network.unwrap_or_else(|| panic!("no network device in {functions:#?}"));
    assert_eq!(network.offers.msix, entries, "{network:#?}");
    guest.interrupts()
}

/// Returns the message names on each vector of the network device.
fn names(interrupts: &InterruptsReport) -> Vec<Vec<String>> {
    let rows: Vec<_> = interrupts.of("virtio-net").collect();
    assert!(rows.iter().all(|row| row.mode == "msix"), "{rows:#?}");
    assert!(rows.iter().any(|row| row.claimed > 0), "{rows:#?}");
    let vectors: BTreeSet<_> = rows.iter().map(|row| row.vector).collect();
    assert_eq!(vectors.len(), rows.len(), "each entry has a vector of its own: {rows:#?}");
    rows.into_iter().map(|row| row.names.clone()).collect()
}

#[test]
fn without_entries_the_line_is_used() {
    let interrupts = with_entries(0);
    let rows: Vec<_> = interrupts.of("virtio-net").collect();
    assert_eq!(rows.len(), 1, "{rows:#?}");
    assert_eq!(rows[0].mode, "intx");
    assert!(rows[0].gsi.is_some() && rows[0].claimed > 0, "{rows:#?}");
}

#[test]
fn one_entry_folds_everything() {
    let names = names(&with_entries(1));
    assert_eq!(names.len(), 1, "{names:?}");
    assert!(names[0].len() > 1, "{names:?}");
}

#[test]
fn two_entries_fold_the_rest() {
    let names = names(&with_entries(2));
    assert_eq!(names.len(), 2, "{names:?}");
    assert!(names[0].len() == 1 && names[1].len() > 1, "the first message has a vector of its own: {names:?}");
}

#[test]
fn three_entries_are_enough() {
    let names = names(&with_entries(3));
    assert_eq!(names.len(), 3, "{names:?}");
    assert!(names.iter().all(|names| names.len() == 1), "{names:?}");
}

#[test]
fn three_devices_share_a_line() {
    // On q35 these slots' pins are routed alike.
    let guest = Qemu::new(Machine::Q35)
        .nic_device("virtio-net-pci,vectors=0,addr=3")
        .files_on("virtio-blk-pci,vectors=0,addr=7")
        .device("virtio-rng-pci,vectors=0,addr=0xb")
        .start();
    hundred_requests(&guest);
    let file = guest.client().get("/files/1mib.bin").expect("the file");
    assert_eq!((file.status, file.body.len()), (200, 1 << 20));

    let interrupts = guest.interrupts();
    let rows: Vec<_> = interrupts.vectors.iter().filter(|row| row.driver.starts_with("virtio-")).collect();
    assert_eq!(rows.len(), 3, "one entry for each: {:#?}", interrupts.vectors);
    assert!(
        rows.iter().all(|row| row.mode == "intx" && row.gsi == rows[0].gsi && row.vector == rows[0].vector),
        "{rows:#?}"
    );
    assert!(rows.iter().all(|row| row.claimed > 0), "each claims its own interrupts: {rows:#?}");
    assert!(rows.iter().all(|row| row.unclaimed > 0), "each handler is called for the others' interrupts: {rows:#?}");
}

#[test]
fn two_network_devices_serve_at_once() {
    for nic in [Nic::Virtio, Nic::E1000] {
        let guest = Qemu::new(Machine::Q35).nic(nic).nic(nic).files().start();
        let (mut first, mut second) = (guest.client_on(0), guest.client_on(1));
        for request in 0..200 {
            for client in [&mut first, &mut second] {
                let hello = client.get("/hello").unwrap_or_else(|error| panic!("request {request}: {error}"));
                assert_eq!((hello.status, hello.body.len()), (200, 13), "request {request}");
            }
        }
    }
}

#[test]
fn two_disks_at_once() {
    let second = ScratchDisk::new(64, |_| 0);
    let guest = Qemu::new(Machine::Q35).nic(Nic::Virtio).files().disk(second.path()).start();
    let file = guest.client().get("/files/1mib.bin").expect("the file");
    assert_eq!((file.status, file.body.len()), (200, 1 << 20));
    let interrupts = guest.interrupts();
    let functions: BTreeSet<_> = interrupts.of("virtio-blk").map(|row| &row.function).collect();
    assert_eq!(functions.len(), 2, "each has vectors of its own: {:#?}", interrupts.vectors);
}

#[test]
fn virtio_without_newer_features_serves() {
    for options in
        ["event_idx=off", "indirect_desc=off", "disable-legacy=on", "mrg_rxbuf=off,event_idx=off,indirect_desc=off"]
    {
        let guest = Qemu::new(Machine::Q35).nic_device(&format!("virtio-net-pci,{options}")).irq(Irq::Auto).start();
        hundred_requests(&guest);
    }
}
