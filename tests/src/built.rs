//! Where the build left what the tests boot.

use std::env;
use std::path::PathBuf;

/// The image that the build made.
///
/// # Panics
/// When `make test-qemu` did not say where it is.
#[must_use]
pub fn built_image() -> PathBuf {
    built("SWITCHBOARD_IMAGE")
}

/// The disk that the build made.
///
/// # Panics
/// When `make test-qemu` did not say where it is.
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
