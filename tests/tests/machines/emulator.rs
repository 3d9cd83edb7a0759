//! The emulators: the installed QEMU, and what `tools/machines` has unpacked.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use switchboard_tests::{UefiFirmware, qemu_program};

/// An emulator that can be started.
#[derive(Debug, Clone)]
pub(crate) struct Emulator {
    pub(crate) program: PathBuf,
    /// The root of the files that were unpacked with it; `None` for the installed one.
    root: Option<PathBuf>,
    pub(crate) version: String,
}

/// Returns the folder of the unpacked emulators: `SWITCHBOARD_MACHINES`, or the one of `tools/machines`.
fn folder() -> PathBuf {
    let default = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/machines");
    env::var_os("SWITCHBOARD_MACHINES").map_or_else(default, PathBuf::from)
}

impl Emulator {
    /// Returns the installed QEMU.
    pub(crate) fn installed() -> Result<Self, String> {
        let program = qemu_program();
        let output = Command::new(&program).arg("--version").output();
        let output = output.map_err(|error| format!("{program} cannot be started: {error}"))?;
        let text = String::from_utf8_lossy(&output.stdout);
        let version = text.split_whitespace().nth(3).unwrap_or("?").to_owned();
        Ok(Self { program: program.into(), root: None, version })
    }

    /// Returns an unpacked emulator, or the reason for which it could not be had.
    pub(crate) fn unpacked(name: &str) -> Result<Self, String> {
        let folder = folder();
        let this = folder.join(name);
        let Ok(version) = fs::read_to_string(this.join("version")) else {
            let reason = fs::read_to_string(folder.join(format!("{name}.missing")));
            let reason = reason.unwrap_or_else(|_| format!("not unpacked; see tools/machines {name}"));
            return Err(reason.trim().to_owned());
        };
        // The version of a package, as 1:10.0.13+ds-0+deb13u1.
        let version = version.trim().rsplit(':').next().unwrap_or_default();
        let version = version.split(['+', '-']).next().unwrap_or_default().to_owned();
        Ok(Self { program: this.join("run"), root: Some(this.join("root")), version })
    }

    /// Returns a file that was unpacked with the emulator.
    pub(crate) fn file(&self, path: &str) -> Option<PathBuf> {
        self.root.as_ref().map(|root| root.join(path)).filter(|path| path.exists())
    }

    /// Returns its UEFI firmware; `None` for the installed one.
    pub(crate) fn uefi(&self) -> Option<UefiFirmware> {
        let part = |part: &str| self.file(&format!("usr/share/OVMF/OVMF_{part}_4M.fd"));
        Some(UefiFirmware { code: part("CODE")?, variables: part("VARS")? })
    }
}
