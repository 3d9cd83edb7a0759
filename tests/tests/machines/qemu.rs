//! Rows of QEMU: 7.2 as installed, 10 and 11 unpacked.

use switchboard_tests::{Boot, Guest, Irq, Machine, Nic, Qemu};

use crate::check;
use crate::emulator::Emulator;
use crate::row::{Outcome, Row};

/// Ways to boot, with what the console then shows.
const BOOTS: [(&str, Boot, &str); 4] = [
    ("PVH", Boot::Pvh, "boot: by PVH"),
    ("BIOS ISO", Boot::Iso, "boot: by Multiboot2"),
    ("UEFI ISO", Boot::Uefi, "boot: by Multiboot2 on UEFI"),
    ("UEFI disk", Boot::UefiDisk, "boot: by Multiboot2 on UEFI"),
];

/// The machines, in the order of the table.
const MACHINES: [&str; 3] = ["pc", "q35", "microvm"];

/// The first version whose TCG has an x2APIC.
const FIRST_WITH_X2APIC: u32 = 9;

/// Returns all rows.
pub(crate) fn rows() -> Vec<Row> {
    let emulators = [
        ("QEMU", Emulator::installed()),
        ("QEMU 10", Emulator::unpacked("qemu-10")),
        ("QEMU 11", Emulator::unpacked("qemu-11")),
    ];
    emulators.into_iter().flat_map(|(name, emulator)| of_emulator(name, &emulator)).collect()
}

fn of_emulator(name: &str, emulator: &Result<Emulator, String>) -> Vec<Row> {
    let emulator = match emulator {
        Ok(emulator) => emulator,
        Err(reason) => return vec![Row::skipped(name, "all", "all", reason)],
    };
    let name = &format!("QEMU {}", emulator.version);
    let major = emulator.version.split('.').next().and_then(|major| major.parse::<u32>().ok()).unwrap_or(0);
    let apic = if major >= FIRST_WITH_X2APIC { "X2Apic" } else { "XApic" };
    let mut rows = Vec::new();
    for (machine_name, machine) in [("pc", Machine::Pc), ("q35", Machine::Q35)] {
        for (boot_name, boot, booted) in BOOTS {
            let emulator = emulator.clone();
            rows.push(Row::new(name, machine_name, boot_name, move || {
                serves(
                    &qemu(&emulator, machine).boot(boot).nic(Nic::Virtio).files(),
                    &[booted, apic, "(by ACPI timer)"],
                )
            }));
        }
    }
    rows.extend(microvm(name, emulator));
    let with = |machine, boot: &str, build: fn(Qemu) -> Qemu, texts: &'static [&'static str]| {
        let emulator = emulator.clone();
        let name_of_machine = if machine == Machine::Pc { "pc" } else { "q35" };
        Row::new(name, name_of_machine, boot, move || serves(&build(qemu(&emulator, machine)), texts))
    };
    rows.push(with(Machine::Q35, "PVH, -x2apic", |q| q.cpu("max,-x2apic").nic(Nic::Virtio).files(), &[", XApic"]));
    rows.push(with(Machine::Q35, "PVH, e1000 by INTx", |q| q.irq(Irq::Intx).nic(Nic::E1000).files(), &["intx 32 gsi"]));
    rows.push(with(
        Machine::Pc,
        "PVH, no ACPI: MP table",
        |q| q.argument("-machine", "acpi=off").irq(Irq::Intx).nic(Nic::E1000).files(),
        &["no ACPI tables: lines by the MP table", "by chipset"],
    ));
    rows.push(with(
        Machine::Q35,
        "PVH, debug console",
        |q| q.debug_console().nic(Nic::Virtio).files(),
        &["boot: by PVH"],
    ));
    if major >= FIRST_WITH_X2APIC {
        rows.push(with(
            Machine::Q35,
            "PVH, e1000e",
            |q| q.nic_device("e1000e").files(),
            &["e1000e       INTA, MSI 1, MSI-X 5      msix"],
        ));
        rows.push(with(
            Machine::Q35,
            "PVH, igb",
            |q| q.nic_device("igb").files(),
            &["igb          INTA, MSI 1, MSI-X 10     msix"],
        ));
        rows.push(with(Machine::Q35, "PVH, newer cards", newer_cards, NEWER_CARDS));
        rows.push(Row::skipped(name, "q35", "x-pci-proxy-dev", "this QEMU crashes at start with such a device"));
    }
    rows.sort_by_key(|row| MACHINES.iter().position(|machine| *machine == row.machine));
    rows
}

/// A microvm boots by PVH, or by a BIOS of its own from a virtio disk without PCI.
fn microvm(name: &str, emulator: &Emulator) -> Vec<Row> {
    let guest = emulator.clone();
    let by_pvh = move || serves(&qemu(&guest, Machine::Microvm).nic(Nic::Virtio).files(), &["boot: by PVH"]);
    // The BIOS of QEMU 7.2 does not start there.
    let bios = emulator.file("usr/share/seabios/bios-microvm.bin");
    let bios = bios.or_else(|| Emulator::unpacked("qemu-10").ok()?.file("usr/share/seabios/bios-microvm.bin"));
    let guest = emulator.clone();
    let by_bios = move || {
        let Some(bios) = &bios else {
            return Outcome::Skipped("SeaBIOS 1.17 for microvm could not be had, and 1.16 does not start".to_owned());
        };
        let qemu = qemu(&guest, Machine::Microvm).argument("-bios", &bios.display().to_string()).boot(Boot::IsoDisk);
        serves(&qemu.nic(Nic::Virtio).files(), &["boot: by Multiboot2"])
    };
    vec![
        Row::new(name, "microvm", "PVH", by_pvh),
        Row::new(name, "microvm", "BIOS, ISO as disk", by_bios),
        Row::skipped(name, "microvm", "UEFI", "no package has UEFI firmware for it"),
    ]
}

/// Devices that the installed QEMU lacks, and others without a driver: found, decoded, and left alone with a reason.
fn newer_cards(qemu: Qemu) -> Qemu {
    let devices = ["ufs", "virtio-sound-pci,audiodev=none", "virtio-iommu-pci,addr=0x10"];
    let qemu = qemu.argument("-audiodev", "none,id=none").nic(Nic::Virtio).files();
    devices.iter().fold(qemu, |qemu, device| qemu.device(device))
}

const NEWER_CARDS: &[&str] =
    &["left without a driver: 1b36:0013", "left without a driver: 1af4:1059", "left without a driver: 1af4:1057"];

/// Returns a guest of an emulator.
fn qemu(emulator: &Emulator, machine: Machine) -> Qemu {
    let qemu = Qemu::new(machine).program(&emulator.program).limit(check::LIMIT);
    match emulator.uefi() {
        Some(firmware) => qemu.uefi(firmware),
        None => qemu,
    }
}

fn serves(qemu: &Qemu, texts: &[&str]) -> Outcome {
    let guest = qemu.start();
    served(&guest, texts).unwrap_or_else(Outcome::Failed)
}

/// Checks that the guest serves its page and the file, and that its console has these texts.
pub(crate) fn served(guest: &Guest, texts: &[&str]) -> Result<Outcome, String> {
    let (mut client, ready) = check::page(guest)?;
    check::file(&mut client)?;
    check::console(guest, texts)?;
    Ok(Outcome::Works(format!("{}; page after {:.1} s", check::cpu_and_clock(guest), ready.as_secs_f32())))
}
