//! The disk app: writes survive a reboot, and every failure names its sector.

use core::time::Duration;
use std::thread;
use std::time::Instant;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use switchboard_tests::{Console, Exit, Irq, Machine, Qemu, ScratchDisk};

/// Returns a disk of 64 sectors, each filled with its number.
fn numbered() -> ScratchDisk {
    ScratchDisk::new(64, |sector| u8::try_from(sector).expect("fewer than 256 sectors"))
}

/// Runs the disk app to its end.
fn run(qemu: Qemu, verbs: &str, exit: Exit) -> Console {
    let guest = qemu.option(&format!("app=disk -- {verbs}")).start();
    let ended = guest.exit();
    let console = guest.console().clone();
    assert_eq!(ended, exit, "{verbs}");
    console
}

/// Checks that the verbs fail and that the console contains the reason.
fn fails(qemu: Qemu, verbs: &str, why: &str) {
    let text = run(qemu, verbs, Exit::Failure).text();
    assert!(text.contains(why), "`{why}` is not in:\n{text}");
}

fn survives(machine: Machine, irq: Irq) {
    let disk = numbered();
    run(Qemu::new(machine).disk(disk.path()).irq(irq), "write 5 good morning ; flush", Exit::Success);
    let text = run(Qemu::new(machine).disk(disk.path()).irq(irq), "read 5 ; read 4 3", Exit::Success).text();
    assert!(text.contains("`good morning`"), "{text}");
    for (sector, byte) in [(4, 4), (6, 6)] {
        assert_eq!(disk.sector(sector), [byte; 512], "the neighbouring sectors are unchanged");
        assert!(text.contains(&format!("read {sector}: sum {}", usize::from(byte) * 512)), "{text}");
    }
    assert!(disk.sector(5).starts_with(b"good morning\0"));
}

#[test]
fn q35_writes_survive_a_reboot_by_msix() {
    survives(Machine::Q35, Irq::Msix);
}

#[test]
fn q35_writes_survive_a_reboot_by_intx() {
    survives(Machine::Q35, Irq::Intx);
}

#[test]
fn pc_writes_survive_a_reboot() {
    survives(Machine::Pc, Irq::Auto);
}

#[test]
fn a_read_only_disk_is_not_written() {
    let disk = numbered();
    let drive = format!("format=raw,readonly=on,file={}", disk.path().display());
    let qemu = Qemu::new(Machine::Q35).drive(&drive, "virtio-blk-pci");
    fails(qemu, "info ; write 7 x", "sector 7 cannot be written: the disk is read-only");
    assert_eq!(disk.sector(7), [7; 512]);
}

#[test]
fn reading_past_the_end_is_refused() {
    let disk = numbered();
    let qemu = Qemu::new(Machine::Q35).disk(disk.path());
    fails(qemu, "read 63 ; read 63 2", "2 sectors at 63 reach past the end of a disk of 64");
}

#[test]
fn writing_past_the_end_is_refused() {
    let disk = numbered();
    let qemu = Qemu::new(Machine::Q35).disk(disk.path());
    fails(qemu, "write 64 x", "1 sectors at 64 reach past the end of a disk of 64");
}

/// Returns a guest with a disk that fails requests of type `iotype` for sector 40.
fn failing(disk: &ScratchDisk, iotype: &str) -> Qemu {
    let rule = |key: &str, value: &str| format!(",file.inject-error.0.{key}={value}");
    let drive = [
        format!("format=raw,file.driver=blkdebug,file.image.driver=file,file.image.filename={}", disk.path().display()),
        rule("event", "none") + &rule("iotype", iotype) + &rule("errno", "5") + &rule("sector", "40"),
    ];
    Qemu::new(Machine::Q35).drive(&drive.concat(), "virtio-blk-pci,rerror=report,werror=report")
}

#[test]
fn an_injected_read_error_names_the_sector() {
    let disk = numbered();
    fails(failing(&disk, "read"), "read 39 ; read 40", "the device reported an I/O error at sector 40");
}

#[test]
fn an_injected_write_error_names_the_sector() {
    let disk = numbered();
    fails(failing(&disk, "write"), "write 39 x ; write 40 x", "the device reported an I/O error at sector 40");
    assert!(disk.sector(39).starts_with(b"x\0"), "the write before succeeded");
}

#[test]
fn an_unknown_verb_is_named() {
    let disk = numbered();
    fails(Qemu::new(Machine::Q35).disk(disk.path()), "format", "`format` is invalid");
}

/// Writes and flushes one sector after the other, and kills QEMU by SIGKILL after so many flushes: each sector whose flush was
/// acknowledged has its text.
fn acknowledged_writes_survive_a_kill(device: &str) {
    for count in [3, 11] {
        let disk = numbered();
        // The disk is slow, so that the kill comes between two writes or within one.
        let drive = format!("format=raw,cache=writeback,throttling.iops-total=40,file={}", disk.path().display());
        let words: Vec<String> = (0..40).map(|sector| format!("write {sector} kept {sector} ; flush")).collect();
        let words = format!("app=disk -- {}", words.join(" ; "));
        let guest = Qemu::new(Machine::Q35).drive(&drive, device).option(&words).start();
        let flushes = |text: &str| text.matches("flush: done").count();
        let start = Instant::now();
        while flushes(&guest.console().text()) < count {
            assert!(start.elapsed() < Duration::from_secs(30), "{}", guest.console().text());
            thread::sleep(Duration::from_millis(2));
        }
        kill(Pid::from_raw(guest.process_id().cast_signed()), Signal::SIGKILL).expect("QEMU runs");
        assert_eq!(guest.exit(), Exit::OutOfTime, "it ended by the signal");
        let acknowledged = flushes(&guest.console().text());
        assert!((count..40).contains(&acknowledged), "{acknowledged} of 40 were acknowledged");
        for sector in 0..acknowledged {
            let expected = format!("kept {sector}\0");
            assert!(disk.sector(sector).starts_with(expected.as_bytes()), "sector {sector} of {acknowledged} was lost");
        }
    }
}

#[test]
fn writes_that_were_flushed_survive_a_kill_of_qemu() {
    acknowledged_writes_survive_a_kill("virtio-blk-pci");
}
