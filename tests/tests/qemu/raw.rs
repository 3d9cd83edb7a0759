//! Apps directly on the drivers: block reads at every queue depth, and reflected frames.

use core::time::Duration;
use std::thread;

use switchboard_bench::client::frames;
use switchboard_bench::ports::Ports;
use switchboard_tests::{Exit, Irq, Machine, Qemu, ScratchDisk};

const SECTORS: u32 = 8192;
const READS: u32 = 4000;

/// Reads a disk at random whose content is, every eight bytes, the number of their offset.
pub(crate) fn reads(device: &str, irq: Irq) {
    let disk = ScratchDisk::new(SECTORS, |_| 0);
    let places: Vec<u8> = (0..u64::from(SECTORS) * 512).step_by(8).flat_map(u64::to_le_bytes).collect();
    std::fs::write(disk.path(), places).expect("a scratch disk");
    let drive = format!("format=raw,file={}", disk.path().display());
    for depth in [1, 4, 32, 128] {
        let words = format!("app=blkbench -- qd {depth} secs 50 count {READS} verify offsets");
        let guest = Qemu::new(Machine::Q35).drive(&drive, device).irq(irq).option(&words).start();
        assert_eq!(guest.exit(), Exit::Success, "depth {depth}");
        let text = guest.console().text();
        assert!(text.contains(&format!("qd {depth}, {READS} operations in ")) && text.contains(", 0 wrong"), "{text}");
    }
}

#[test]
fn blocks_are_correct_at_every_depth_by_msix() {
    reads("virtio-blk-pci", Irq::Msix);
}

#[test]
fn blocks_are_correct_at_every_depth_by_intx() {
    reads("virtio-blk-pci", Irq::Intx);
}

#[test]
fn a_wrong_block_is_detected() {
    let disk = ScratchDisk::new(SECTORS, |_| 0);
    let words = "app=blkbench -- count 10 verify offsets";
    let guest = Qemu::new(Machine::Q35).disk(disk.path()).option(words).start();
    assert_eq!(guest.exit(), Exit::Failure);
    assert!(guest.console().text().contains("10 blocks had wrong contents"));
}

/// Reflects frames of several sizes, one and many at a time; the client checks each.
fn frames_come_back(card: &str, irq: Irq, option: &str) {
    let ports = Ports::free();
    let end = |side, port| format!(",{side}.type=inet,{side}.host=127.0.0.1,{side}.port={port}");
    let ends = end("local", ports.frames) + &end("remote", ports.frames_back);
    let guest = Qemu::new(Machine::Q35)
        .argument("-netdev", &format!("dgram,id=frames{ends}"))
        .device(&format!("{card},netdev=frames,romfile=,mac=52:54:00:12:34:56"))
        .irq(irq)
        .option(&format!("app=reflect {option}"))
        .start();
    guest.wait_for(", ready");
    if card == "e1000" {
        // QEMU's e1000 receives nothing for a second after its set-up.
        thread::sleep(Duration::from_millis(1300));
    }
    for (size, window) in [(60, 1), (64, 64), (1514, 1), (1514, 64)] {
        frames::run(ports.frames_back, ports.frames, size, window, 0.3)
            .unwrap_or_else(|error| panic!("{card}, {irq:?}, {window} frames of {size}: {error}"));
    }
    assert!(guest.is_running());
}

#[test]
fn frames_come_back_from_virtio_by_msix() {
    frames_come_back("virtio-net-pci", Irq::Msix, "poll=0");
}

#[test]
fn frames_come_back_from_virtio_by_intx() {
    frames_come_back("virtio-net-pci", Irq::Intx, "poll=0");
}

#[test]
fn frames_come_back_from_virtio_that_is_polled() {
    frames_come_back("virtio-net-pci", Irq::Msix, "poll=300");
}

#[test]
fn frames_come_back_from_e1000() {
    frames_come_back("e1000", Irq::Intx, "poll=0");
    frames_come_back("e1000", Irq::Intx, "poll=300");
}

#[test]
fn frames_come_back_from_e1000e() {
    frames_come_back("e1000e", Irq::Msi, "poll=0");
    frames_come_back("e1000e", Irq::Auto, "poll=300");
}
