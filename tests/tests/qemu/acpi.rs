//! The routing in ACPI tables against the one by the chipset: two sources that know nothing of each other.

use switchboard_aml::{Function, Hardware, pci_routing};
use switchboard_tests::{Guest, Irq, Machine, Nic, Qemu, Qmp, Qtest, ScratchPath};

/// Firmware keeps its tables in the last part of the guest's 128 MiB, or in the area of the BIOS.
const TABLES: [core::ops::Range<usize>; 2] = [124 << 20..128 << 20, 0xe_0000..0x10_0000];
/// Length and checksum of a table are in its header.
const HEADER_BYTES: usize = 36;

/// Configuration space by the ports of the running guest.
#[derive(Debug)]
struct Config<'a>(&'a Qtest);

impl Hardware for Config<'_> {
    fn read_memory(&self, _: u64, _: u8) -> Option<u64> {
        None
    }

    fn read_config(&self, function: Function, offset: u16, bytes: u8) -> Option<u64> {
        let address = (function.bus, function.device, function.function);
        let byte = |offset: u16| {
            let word = self.0.read_config(address, u8::try_from(offset & !1).expect("the first 256 bytes"));
            u64::from(word.to_le_bytes()[usize::from(offset & 1)])
        };
        Some((0..u16::from(bytes)).rev().fold(0, |value, index| value << 8 | byte(offset + index)))
    }
}

/// Returns what looks like a DSDT and has the right checksum.
fn tables_in(memory: &[u8]) -> Vec<Vec<u8>> {
    let tables = memory.windows(HEADER_BYTES).enumerate().filter(|(_, header)| header.starts_with(b"DSDT"));
    let tables = tables.filter_map(|(at, header)| {
        let length = u32::from_le_bytes(header[4..8].try_into().expect("four bytes"));
        let table = memory.get(at..at.checked_add(usize::try_from(length).ok()?)?)?;
        let is_whole = table.len() > HEADER_BYTES && table.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte)) == 0;
        is_whole.then(|| table.to_vec())
    });
    tables.collect()
}

/// Reads the DSDT out of the guest's memory.
fn dsdt(qmp: &Qmp) -> Vec<u8> {
    let mut session = qmp.connect();
    let tables = TABLES.into_iter().flat_map(|range| {
        let file = ScratchPath::new("memory");
        let save = serde_json::json!({ "val": range.start, "size": range.len(), "filename": file.path().display().to_string() });
        session.command("pmemsave", &save).expect("QEMU writes the file");
        tables_in(&std::fs::read(file.path()).expect("the memory"))
    });
    tables.max_by_key(Vec::len).expect("a DSDT")
}

/// Boots with devices in several slots, each on a line, and compares the line of each with the table.
fn the_table_agrees(machine: Machine, slots: &[u8]) {
    let (qmp, qtest) = (Qmp::default(), Qtest::default());
    let mut qemu = Qemu::new(machine).nic(Nic::Virtio).files().irq(Irq::Intx);
    for slot in slots {
        qemu = qemu.device(&format!("virtio-rng-pci,addr={slot:#x}"));
    }
    let guest: Guest = qtest.attach(qmp.attach(qemu)).start();
    // Firmware has run when the image answers.
    let lines: Vec<_> = guest
        .functions()
        .into_iter()
        .filter_map(|function| {
            let device = function.address.strip_prefix("0000:00:")?.strip_suffix(".0")?.to_owned();
            Some((u8::from_str_radix(&device, 16).ok()?, function.route?.gsi))
        })
        .collect();
    assert!(lines.len() >= slots.len() + 2, "{lines:?}");
    let routing = pci_routing(&[&dsdt(&qmp)], &Config(&qtest));
    assert_eq!(routing.errors, []);
    // 32 devices with four pins.
    assert_eq!(routing.routes.len(), 128);
    for (device, gsi) in lines {
        // Each drives INTA.
        let route = routing.routes.iter().find(|route| (route.device, route.pin) == (device, 0));
        assert_eq!(route.map(|route| route.gsi), Some(gsi), "device {device}");
    }
}

#[test]
fn the_table_of_q35_agrees_with_its_chipset() {
    the_table_agrees(Machine::Q35, &[0x07, 0x0c, 0x11, 0x16, 0x19, 0x1c, 0x1e]);
}

#[test]
fn the_table_of_the_pc_agrees_with_its_chipset() {
    the_table_agrees(Machine::Pc, &[0x07, 0x0c, 0x11, 0x16, 0x1f]);
}

#[test]
fn the_table_of_microvm_agrees_with_its_host_bridge() {
    the_table_agrees(Machine::Microvm, &[0x07, 0x0c, 0x11, 0x16]);
}
