//! Invalid input: the console names it, and the machine continues, or ends with a status that means failure.

use switchboard_tests::{Exit, Guest, Machine, Nic, Qemu};

/// Checks that a small page is served.
fn serves(guest: &Guest) {
    let hello = guest.client().get("/hello").expect("an answer");
    assert_eq!((hello.status, hello.body.len()), (200, 13));
}

#[test]
fn without_a_network_device_the_image_runs() {
    let guest = Qemu::new(Machine::Q35).files().start();
    guest.wait_for("no network: no function has a network driver");
    assert!(guest.is_running());
}

#[test]
fn without_a_disk_the_page_is_served() {
    let guest = Qemu::new(Machine::Q35).nic(Nic::Virtio).start();
    guest.wait_for("no files: no function has a disk driver");
    serves(&guest);
    let file = guest.client().get("/files/1mib.bin").expect("an answer");
    assert_eq!(file.status, 404);
}

#[test]
fn the_disk_app_without_a_disk_fails() {
    let guest = Qemu::new(Machine::Q35).option("app=disk -- info").start();
    guest.wait_for("no disk: no function has a disk driver");
    assert_eq!(guest.exit(), Exit::Failure);
}

#[test]
fn the_edu_app_without_the_device_fails() {
    let guest = Qemu::new(Machine::Q35).option("app=edu").start();
    guest.wait_for("no function has");
    assert_eq!(guest.exit(), Exit::Failure);
}

#[test]
fn an_unknown_app_fails_and_names_the_others() {
    let guest = Qemu::new(Machine::Q35).option("app=solitaire").start();
    let line = guest.wait_for("no app `solitaire`");
    assert!(line.contains("web") && line.contains("disk"), "{line}");
    assert_eq!(guest.exit(), Exit::Failure);
}

#[test]
fn unknown_options_and_values_are_named_and_ignored() {
    let guest = Qemu::new(Machine::Q35).nic(Nic::Virtio).option("colour=red irq=loud").start();
    guest.wait_for("kernel option `colour=red` is unknown");
    let line = guest.wait_for("kernel option `irq=loud` is ignored");
    assert!(line.contains("auto, msix, msi or intx"), "{line}");
    serves(&guest);
}

#[test]
fn without_a_free_vector_a_function_stays_without_a_driver() {
    // The first functions take both vectors; later ones find none.
    let guest = Qemu::new(Machine::Q35)
        .nic_device("virtio-net-pci,addr=3")
        .device("virtio-rng-pci,addr=4")
        .device("edu,addr=5")
        .option("vectors=2")
        .start();
    let line = guest.wait_for("1234:11e8");
    assert!(line.contains("out of vectors: 1 wanted, 0 free"), "{line}");
    serves(&guest);
}

#[test]
fn a_panic_prints_a_backtrace_and_fails() {
    let guest = Qemu::new(Machine::Q35).nic(Nic::Virtio).start();
    serves(&guest);
    // A non-maskable interrupt reports a hardware failure: the image panics.
    guest.monitor("nmi");
    assert_eq!(guest.exit(), Exit::Failure);
    guest.wait_for("panicked at");
    guest.wait_for("non-maskable interrupt");
    guest.wait_for("  at 0x");
}

#[test]
fn sixteen_mebibytes_are_enough() {
    let guest = Qemu::new(Machine::Q35).nic(Nic::Virtio).files().memory("16M").start();
    serves(&guest);
    let file = guest.client().get("/files/1mib.bin").expect("the file");
    assert_eq!((file.status, file.body.len()), (200, 1 << 20));
}

#[test]
fn too_little_memory_is_reported() {
    // With less, the firmware cannot load the image.
    let guest = Qemu::new(Machine::Q35).nic(Nic::Virtio).files().memory("6M").start();
    guest.wait_for("memory too small");
    assert_eq!(guest.exit(), Exit::Failure);
}

#[test]
fn a_disk_without_an_archive_is_reported() {
    let disk = switchboard_tests::ScratchDisk::new(64, |_| 0xa5);
    let guest = Qemu::new(Machine::Q35).nic(Nic::Virtio).disk(disk.path()).start();
    guest.wait_for("no files: ");
    serves(&guest);
}
