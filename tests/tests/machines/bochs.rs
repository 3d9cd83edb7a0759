//! Rows of Bochs, whose e1000, APICs and BIOS are its own.

use core::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use switchboard_tests::{Guest, Protocol, ScratchPath, built_image, free_port};

use crate::check;
use crate::emulator::Emulator;
use crate::row::{Outcome, Row};

/// CPU models, with what the console then shows. The third has an x2APIC and a TSC deadline, and reports a frequency of the
/// TSC that is not the emulated one.
const CPUS: [(&str, &[&str]); 3] = [
    ("core2_penryn_t9600", &[", XApic", "(by ACPI timer), one shot timer"]),
    ("corei7_haswell_4770", &[", X2Apic", "(by ACPI timer), TSC deadline timer"]),
    (
        "corei7_skylake_x",
        &[", X2Apic", "by the ACPI timer it runs at", "(by ACPI timer), TSC deadline timer", "routes by ACPI _PRT"],
    ),
];

/// Returns all rows.
pub(crate) fn rows() -> Vec<Row> {
    match Emulator::unpacked("bochs") {
        Err(reason) => vec![Row::skipped("Bochs", "i440FX, e1000", "BIOS ISO", &reason)],
        Ok(emulator) => {
            let name = format!("Bochs {}", emulator.version);
            let row = |(cpu, texts): (&'static str, &'static [&'static str])| {
                let emulator = emulator.clone();
                let boots = move || serves(&emulator, cpu, texts).unwrap_or_else(Outcome::Failed);
                Row::new(&name, cpu, "BIOS ISO, e1000", boots)
            };
            CPUS.into_iter().map(row).collect()
        }
    }
}

fn serves(emulator: &Emulator, cpu: &str, texts: &[&str]) -> Result<Outcome, String> {
    let files = Files::new();
    let port = free_port(Protocol::Tcp);
    files.write(emulator, cpu, port)?;
    let program = emulator.program.display();
    let command =
        [program.to_string(), "-q".into(), "-f".into(), name(&files.settings), "-rc".into(), name(&files.debugger)];
    let guest = Guest::of_command(&command, &[(Protocol::Tcp, 80, port)], check::LIMIT);
    let (mut client, ready) = check::page(&guest)?;
    // Its disks are IDE's, which no driver serves: files of the image's own page.
    let page = client.get("/").map_err(|error| format!("no page: {error}"))?;
    if page.status != 200 || !page.body.starts_with(b"<!doctype html>") && !page.body.starts_with(b"<!DOCTYPE html>") {
        return Err(format!("the page is wrong: status {}, {} bytes", page.status, page.body.len()));
    }
    check::console(&guest, texts)?;
    let seen = check::cpu_and_clock(&guest);
    Ok(Outcome::Works(format!("{seen}; page after {:.1} s, files none: no IDE driver", ready.as_secs_f32())))
}

/// The files of one run.
struct Files {
    iso: ScratchPath,
    settings: ScratchPath,
    network: ScratchPath,
    debugger: ScratchPath,
    log: ScratchPath,
}

impl Files {
    fn new() -> Self {
        let path = ScratchPath::new;
        Self {
            iso: path("iso"),
            settings: path("bochsrc"),
            network: path("slirp"),
            debugger: path("rc"),
            log: path("log"),
        }
    }

    fn write(&self, emulator: &Emulator, cpu: &str, port: u16) -> Result<(), String> {
        let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let iso = Command::new("tools/iso")
            .arg(self.iso.path())
            .arg("")
            .env("IMAGE", built_image())
            .current_dir(top)
            .output();
        let iso = iso.map_err(|error| format!("tools/iso: {error}"))?;
        if !iso.status.success() {
            return Err(format!("tools/iso: {}", String::from_utf8_lossy(&iso.stderr)));
        }
        let file = |path: &str| emulator.file(path).map(|path| path.display().to_string()).unwrap_or_default();
        let mut settings = String::new();
        for line in [
            // Without a screen; a VNC client may look, and is not waited for.
            "display_library: rfb, options=\"timeout=0\"".to_owned(),
            "plugin_ctrl: unmapped=true, biosdev=true, speaker=false, e1000=true".to_owned(),
            format!("romimage: file={}", file("usr/share/bochs/BIOS-bochs-latest")),
            format!("vgaromimage: file={}", file("usr/share/vgabios/vgabios.bin")),
            format!("cpu: model={cpu}, count=1, ips=50000000, reset_on_triple_fault=0"),
            "clock: sync=none".to_owned(),
            "memory: guest=256, host=256".to_owned(),
            "pci: enabled=1, chipset=i440fx, slot1=e1000".to_owned(),
            format!("e1000: enabled=1, mac=52:54:00:12:34:56, ethmod=slirp, script={}", name(&self.network)),
            "ata0: enabled=1".to_owned(),
            format!("ata0-master: type=cdrom, path={}, status=inserted", name(&self.iso)),
            "boot: cdrom".to_owned(),
            "com1: enabled=1, mode=file, dev=/dev/stdout".to_owned(),
            format!("log: {}", name(&self.log)),
            "panic: action=fatal".to_owned(),
            "error: action=report".to_owned(),
        ] {
            writeln!(settings, "{line}").map_err(|error| error.to_string())?;
        }
        let network = format!("# slirp config\nhostfwd = tcp:127.0.0.1:{port}-10.0.2.15:80\n");
        // Debian builds Bochs with its debugger, which waits for this word.
        for (path, text) in
            [(&self.settings, settings), (&self.network, network), (&self.debugger, "continue\n".to_owned())]
        {
            fs::write(path.path(), text).map_err(|error| format!("{}: {error}", path.path().display()))?;
        }
        Ok(())
    }
}

fn name(path: &ScratchPath) -> String {
    path.path().display().to_string()
}
