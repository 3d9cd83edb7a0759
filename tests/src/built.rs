//! Paths of the image and the disk that the build made.

use std::env;
use std::path::PathBuf;
use std::process::Command;

/// Returns the path of the built image.
///
/// # Panics
/// Panics when `SWITCHBOARD_IMAGE` is not set or names no file; `make test-qemu` sets it.
#[must_use]
pub fn built_image() -> PathBuf {
    built("SWITCHBOARD_IMAGE")
}

/// Returns the path of the built disk.
///
/// # Panics
/// Panics when `SWITCHBOARD_DISK` is not set or names no file; `make test-qemu` sets it.
#[must_use]
pub fn built_disk() -> PathBuf {
    built("SWITCHBOARD_DISK")
}

/// Returns the QEMU of the tests: `SWITCHBOARD_QEMU`, or the installed one.
#[must_use]
pub fn qemu_program() -> String {
    env::var("SWITCHBOARD_QEMU").unwrap_or_else(|_| "qemu-system-x86_64".to_owned())
}

/// Returns the major version of that QEMU, or 0 where it cannot be started.
#[must_use]
pub fn qemu_major_version() -> u32 {
    let output = Command::new(qemu_program()).arg("--version").output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    // As "QEMU emulator version 7.2.22 (Debian ..)".
    let version = text.split_whitespace().nth(3).unwrap_or_default();
    version.split('.').next().and_then(|major| major.parse().ok()).unwrap_or(0)
}

fn built(variable: &str) -> PathBuf {
    let hint =
        "these tests boot the built image: run them by `make test-qemu`, or some of them by `make test-qemu TEST=name`";
    let path = env::var_os(variable).map(PathBuf::from).unwrap_or_else(|| panic!("{variable} is not set; {hint}"));
    assert!(path.is_file(), "{variable} names {}, which does not exist; {hint}", path.display());
    path
}
