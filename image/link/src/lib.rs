//! Links a Switchboard image: a build dependency, called from the image's build script.
//!
//! An image is a `no_std`, `no_main` program for the stock target `x86_64-unknown-linux-gnu`, linked as a static ELF
//! of its own layout. The whole `build.rs` of an image:
//!
//! ```no_run
//! fn main() {
//!     switchboard_link::image();
//! }
//! ```
//!
//! with this in its `Cargo.toml`:
//!
//! ```toml
//! [build-dependencies]
//! switchboard-link = "0.1"
//! ```
//!
//! The build fails, with the reason, when
//! - `-Cno-redzone=yes` is missing from the compiler's flags (an interrupt would overwrite local variables), or
//! - a crate needs a C library or any other symbol that the image does not contain.

#![forbid(unsafe_code)]
#![expect(clippy::needless_doctest_main, reason = "it is the example is a whole file")]

use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// The linker script: the sections of the image, their addresses and their order.
const LINKER_SCRIPT: &str = include_str!("image.ld");
/// The script that the linker runs for each undefined symbol.
const UNDEFINED: &str = include_str!("undefined.sh");

/// The contents of an archive without members.
const EMPTY_ARCHIVE: &[u8] = b"!<arch>\n";
/// The libraries of the host's C toolchain. The crate `libc` links the first four.
const HOST_LIBRARIES: [&str; 15] = [
    "c", "m", "rt", "pthread", "dl", "util", "resolv", "anl", "crypt", "atomic", "ssp", "gcc", "gcc_s", "gcc_eh",
    "stdc++",
];

/// Checks the compiler flags, and makes cargo link the package's programs as images.
///
/// The whole build script of an image is a call of this function:
///
/// ```no_run
/// fn main() {
///     switchboard_link::image();
/// }
/// ```
///
/// A wrong flag fails the build with a message. It must be called from a build script.
///
/// # Panics
/// Panics outside of a build script, or when its output folder cannot be written.
pub fn image() {
    if !red_zone_is_off(&env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default()) {
        println!(
            "cargo::error=the image must be built with `-Cno-redzone=yes`: interrupts would overwrite what functions \
             keep below the stack pointer. `.cargo/config.toml` sets it; a RUSTFLAGS variable replaces that file's \
             flags, so add it there: RUSTFLAGS=\"-Cno-redzone=yes ...\""
        );
    }
    let output = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR for a build script"));
    let files = write_files(&output).unwrap_or_else(|error| panic!("cannot write to {}: {error}", output.display()));
    println!("cargo::rerun-if-changed=build.rs");
    for argument in link_arguments(&files) {
        println!("cargo::rustc-link-arg-bins={argument}");
    }
}

/// Returns `true` if the flags, as cargo encodes them, turn the red zone off. The last flag counts.
fn red_zone_is_off(encoded: &str) -> bool {
    // Cargo separates the flags by 0x1f; `-C` and its value may come as one flag or as two.
    let flags = encoded.replace('\x1f', " ");
    let value = flags.rsplit_once("no-redzone").map(|(_, after)| after.split(' ').next().unwrap_or_default());
    value.is_some_and(|value| ["", "=yes", "=y", "=on", "=true"].contains(&value))
}

/// The paths of the linker's input files, in the build script's output folder.
struct Files {
    script: PathBuf,
    undefined: PathBuf,
    libraries: PathBuf,
}

fn write_files(output: &Path) -> io::Result<Files> {
    let files = Files {
        script: output.join("image.ld"),
        undefined: output.join("undefined.sh"),
        libraries: output.join("no-c-library"),
    };
    fs::write(&files.script, LINKER_SCRIPT)?;
    fs::write(&files.undefined, UNDEFINED)?;
    make_executable(&files.undefined)?;
    fs::create_dir_all(&files.libraries)?;
    for name in HOST_LIBRARIES {
        fs::write(files.libraries.join(format!("lib{name}.a")), EMPTY_ARCHIVE)?;
    }
    Ok(files)
}

#[cfg(unix)]
fn make_executable(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))
}

#[cfg(not(unix))]
fn make_executable(_: &Path) -> io::Result<()> {
    Ok(())
}

fn link_arguments(files: &Files) -> Vec<String> {
    // Without the host's start files and C library.
    let mut arguments = ["-nostartfiles", "-nostdlib", "-static", "-no-pie"].map(String::from).to_vec();
    // Pages of 4 KiB in the file as in memory, no hash notes beside the PVH note, nothing for a dynamic linker.
    for argument in
        ["-z,max-page-size=4096", "--build-id=none", "-z,norelro", "--no-dynamic-linker", "--no-eh-frame-hdr"]
    {
        arguments.push(format!("-Wl,{argument}"));
    }
    // A crate that uses the crate `libc` makes rustc pass `-Bdynamic -lc`. The linker would take the host's libc.so,
    // leave its functions to a dynamic linker that the image does not have, and their addresses would stay 0.
    // Our folder is searched before the host's, so each of these libraries is empty and its functions undefined.
    arguments.push(format!("-L{}", files.libraries.display()));
    arguments.push(format!("-Wl,--error-handling-script={}", files.undefined.display()));
    arguments.push(format!("-Wl,-T,{}", files.script.display()));
    arguments
}

#[cfg(test)]
mod tests {
    use super::red_zone_is_off;

    #[test]
    fn every_spelling_that_turns_the_red_zone_off_is_accepted() {
        for flags in ["-Cno-redzone=yes", "-C\x1fno-redzone=y", "-Cno-redzone=no\x1f-Cno-redzone=on", "-Cno-redzone"] {
            assert!(red_zone_is_off(flags), "{flags}");
        }
    }

    #[test]
    fn flags_that_leave_the_red_zone_on_are_refused() {
        for flags in ["", "-Copt-level=3", "-Cno-redzone=no", "-Cno-redzone=yes\x1f-Cno-redzone=off"] {
            assert!(!red_zone_is_off(flags), "{flags}");
        }
    }
}
