//! Loads the image into a guest's memory.

use std::path::Path;
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
}

/// QEMU's arguments for a boot loader, and the ISO that must exist as long as the guest runs.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) arguments: Vec<String>,
    pub(crate) iso: Option<ScratchPath>,
}

impl Boot {
    /// Prepares a boot of the image with a kernel command line.
    pub(crate) fn load(self, image: &Path, command_line: &str) -> Loaded {
        if self == Self::Pvh {
            let mut arguments = vec!["-kernel".to_owned(), image.display().to_string()];
            if !command_line.is_empty() {
                arguments.extend(["-append".to_owned(), command_line.to_owned()]);
            }
            return Loaded { arguments, iso: None };
        }
        let iso = ScratchPath::new("iso");
        run(Command::new("tools/iso").arg(iso.path()).arg(command_line).env("IMAGE", image));
        let cd = format!("if=none,id=cd0,format=raw,media=cdrom,readonly=on,file={}", iso.path().display());
        let mut arguments = ["-drive", &cd, "-device", "ide-cd,drive=cd0,bootindex=0"].map(str::to_owned).to_vec();
        if self == Self::Uefi {
            for (unit, part, access) in [(0, "CODE", "readonly=on"), (1, "VARS", "snapshot=on")] {
                let file = run(Command::new("bash").args(["-c", &format!("source tools/lib.sh; ovmf {part}")]));
                let file = String::from_utf8_lossy(&file.stdout).trim().to_owned();
                let flash = format!("if=pflash,unit={unit},format=raw,{access},file={file}");
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
