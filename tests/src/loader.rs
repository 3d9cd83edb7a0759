//! Loads the image into a guest's memory.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::ScratchPath;

/// Boot loader of the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Boot {
    /// QEMU loads it by its PVH note.
    Pvh,
    /// GRUB on SeaBIOS loads it from the ISO.
    Iso,
    /// GRUB on UEFI loads it from the ISO.
    Uefi,
    /// GRUB on UEFI loads it from the ISO as a disk.
    UefiDisk,
    /// GRUB on SeaBIOS loads it from the ISO as a virtio disk without PCI, as on a microvm.
    IsoDisk,
}

/// UEFI firmware, and its initial variables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UefiFirmware {
    /// The firmware.
    pub code: PathBuf,
    /// Its variables, which stay unchanged.
    pub variables: PathBuf,
}

impl UefiFirmware {
    /// Returns the firmware that is installed.
    fn installed() -> Self {
        let part = |part| {
            let file = run(Command::new("bash").args(["-c", &format!("source tools/lib.sh; ovmf {part}")]));
            PathBuf::from(String::from_utf8_lossy(&file.stdout).trim())
        };
        Self { code: part("CODE"), variables: part("VARS") }
    }
}

/// QEMU's arguments for a boot loader, and the ISO that must exist as long as the guest runs.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) arguments: Vec<String>,
    pub(crate) iso: Option<ScratchPath>,
}

impl Boot {
    /// Prepares a boot of the image with a kernel command line.
    pub(crate) fn load(self, image: &Path, command_line: &str, firmware: Option<&UefiFirmware>) -> Loaded {
        if self == Self::Pvh {
            let mut arguments = vec!["-kernel".to_owned(), image.display().to_string()];
            if !command_line.is_empty() {
                arguments.extend(["-append".to_owned(), command_line.to_owned()]);
            }
            return Loaded { arguments, iso: None };
        }
        let iso = ScratchPath::new("iso");
        run(Command::new("tools/iso").arg(iso.path()).arg(command_line).env("IMAGE", image));
        let (media, device) = match self {
            Self::UefiDisk => ("disk", "ide-hd"),
            Self::IsoDisk => ("disk", "virtio-blk-device"),
            _ => ("cdrom", "ide-cd"),
        };
        let drive = format!("if=none,id=boot0,format=raw,media={media},readonly=on,file={}", iso.path().display());
        // A disk of the IDE is not read-only.
        let drive = if device == "ide-hd" { drive.replace("readonly=on", "snapshot=on") } else { drive };
        let device = format!("{device},drive=boot0,bootindex=0");
        let mut arguments = ["-drive", &drive, "-device", &device].map(str::to_owned).to_vec();
        if matches!(self, Self::Uefi | Self::UefiDisk) {
            let firmware = firmware.cloned().unwrap_or_else(UefiFirmware::installed);
            for (unit, file, access) in [(0, firmware.code, "readonly=on"), (1, firmware.variables, "snapshot=on")] {
                let flash = format!("if=pflash,unit={unit},format=raw,{access},file={}", file.display());
                arguments.extend(["-drive".to_owned(), flash]);
            }
        }
        Loaded { arguments, iso: Some(iso) }
    }
}

/// Runs one of the project's tools, at the top of the repository.
fn run(command: &mut Command) -> Output {
    let command = command.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."));
    let output = command.output().unwrap_or_else(|error| panic!("{command:?} cannot be started: {error}"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} failed; see `make doctor`:\n{errors}");
    output
}
