//! Paths of the image and the disk that the build made.

use std::env;
use std::path::PathBuf;

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

fn built(variable: &str) -> PathBuf {
    let hint =
        "these tests boot the built image: run them by `make test-qemu`, or some of them by `make test-qemu TEST=name`";
    let path = env::var_os(variable).map(PathBuf::from).unwrap_or_else(|| panic!("{variable} is not set; {hint}"));
    assert!(path.is_file(), "{variable} names {}, which does not exist; {hint}", path.display());
    path
}
