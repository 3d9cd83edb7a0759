//! NVMe disks: in each interrupt mode and block size, two at once, and with errors of the medium.

use switchboard_tests::{Exit, Irq, Machine, Nic, Qemu, ScratchDisk, mebibyte_file};

use crate::raw::reads;

const DEVICE: &str = "nvme,serial=1";

/// Returns a disk of 64 sectors, each filled with its number.
fn numbered() -> ScratchDisk {
    ScratchDisk::new(64, |sector| u8::try_from(sector).expect("fewer than 256 sectors"))
}

fn file(disk: &ScratchDisk) -> String {
    format!("format=raw,file={}", disk.path().display())
}

/// Runs the disk app to its end, and returns the console.
fn run(qemu: Qemu, commands: &str, exit: Exit) -> String {
    let guest = qemu.option(&format!("app=disk -- {commands}")).start();
    let (ended, text) = (guest.exit(), guest.console().clone().text());
    assert_eq!(ended, exit, "{text}");
    text
}

fn writes_survive(machine: Machine, irq: Irq, mode: &str) {
    let disk = numbered();
    let on = || Qemu::new(machine).drive(&file(&disk), DEVICE).irq(irq);
    let text = run(on(), "write 5 good morning ; flush", Exit::Success);
    let row =
        text.lines().find(|line| line.contains(" nvme ") && line.contains("MSI-X 65")).expect("a row of the table");
    assert!(row.contains(mode), "{row}");
    let text = run(on(), "info ; read 5 ; read 0 64", Exit::Success);
    assert!(text.contains("disk: 64 sectors of 512 bytes, read-write") && text.contains("`good morning`"), "{text}");
    assert!(
        (0..64)
            .filter(|sector| *sector != 5)
            .all(|sector| text.contains(&format!("read {sector}: sum {}", sector * 512)))
    );
    assert!(disk.sector(5).starts_with(b"good morning\0"));
}

#[test]
fn writes_survive_a_reboot_by_msix() {
    // The names of both messages: each queue has one of its own.
    writes_survive(Machine::Q35, Irq::Auto, "Admin,");
}

#[test]
fn writes_survive_a_reboot_by_intx() {
    writes_survive(Machine::Q35, Irq::Intx, "intx");
}

#[test]
fn writes_survive_a_reboot_on_pc() {
    writes_survive(Machine::Pc, Irq::Intx, "intx");
}

#[test]
fn blocks_of_4096_bytes_are_read_and_smaller_parts_refused() {
    let disk = numbered();
    let device = format!("{DEVICE},logical_block_size=4096,physical_block_size=4096");
    let text = run(Qemu::new(Machine::Q35).drive(&file(&disk), &device), "info ; read 8 8 ; read 1", Exit::Failure);
    assert!(text.contains("blocks of 4096 bytes") && text.contains(&format!("read 15: sum {}", 15 * 512)), "{text}");
    assert!(text.contains("4096"), "{text}");
}

#[test]
fn blocks_are_correct_at_every_depth_by_msix() {
    reads(DEVICE, Irq::Msix);
}

#[test]
fn blocks_are_correct_at_every_depth_by_intx() {
    reads(DEVICE, Irq::Intx);
}

#[test]
fn files_of_two_controllers_are_served() {
    let guest = Qemu::new(Machine::Q35).nic(Nic::Virtio).files_on(DEVICE).files_on("nvme,serial=2").start();
    guest.wait_for("serial number 2");
    assert!(guest.client().get("/files/1mib.bin").expect("a response").body == mebibyte_file());
}

#[test]
fn an_error_of_the_medium_names_the_sector() {
    let disk = numbered();
    let rule = |key: &str, value: &str| format!(",file.inject-error.0.{key}={value}");
    let drive = [
        format!("format=raw,file.driver=blkdebug,file.image.driver=file,file.image.filename={}", disk.path().display()),
        rule("event", "none") + &rule("iotype", "read") + &rule("errno", "5") + &rule("sector", "40"),
    ];
    let text = run(Qemu::new(Machine::Q35).drive(&drive.concat(), DEVICE), "read 39 ; read 40", Exit::Failure);
    assert!(text.contains("the device reported an I/O error at sector 40"), "{text}");
}

#[test]
fn a_file_is_served_from_the_second_namespace_and_the_health_is_reported() {
    let disk = numbered();
    let guest = Qemu::new(Machine::Q35)
        .nic(Nic::Virtio)
        .device("nvme,id=nvme0,serial=S7")
        .drive(&file(&disk), "nvme-ns,bus=nvme0,nsid=1,logical_block_size=4096,physical_block_size=4096")
        .files_on("nvme-ns,bus=nvme0,nsid=2")
        .start();
    assert!(guest.client().get("/files/1mib.bin").expect("a response").body == mebibyte_file());
    let found = guest.functions().into_iter().find(|function| function.driver.as_deref() == Some("nvme"));
    let details = found.expect("the controller").details;
    let detail = |name: &str| details.get(name).map(String::as_str);
    assert_eq!(detail("serial number"), Some("S7"), "{details:?}");
    assert!(detail("temperature").is_some_and(|text| text.ends_with(" °C")), "{details:?}");
}
