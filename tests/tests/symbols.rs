//! Checks that a crate which calls a C library fails the build of an image with an error that names the function.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::{env, fs, str};

/// The smallest program that is linked as an image; it calls a function of the crate `DEPENDENCY`, which is replaced by
/// a name.
const PROGRAM: &str = r#"#![no_std]
#![no_main]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! { loop {} }
#[unsafe(no_mangle)]
extern "C" fn boot_start() -> ! {
    core::hint::black_box(DEPENDENCY::process_id());
    loop {}
}
"#;

const MANIFEST: &str = r#"[package]
name = "image-with-DEPENDENCY"
version = "0.1.0"
edition = "2024"
[dependencies]
DEPENDENCY = { path = "DEPENDENCY" }
[build-dependencies]
switchboard-link = { path = "LINK" }
[profile.dev]
panic = "abort"
[workspace]
"#;

const BUILD_SCRIPT: &str = "fn main() { switchboard_link::image(); }\n";
const FLAGS: &str = "-Cno-redzone=yes";

/// A crate that calls a C function, declared as in the crate `libc`.
const CALLS_C: &str = r#"#![no_std]
#[link(name = "c")]
unsafe extern "C" { fn getpid() -> i32; }
pub fn process_id() -> i32 { unsafe { getpid() } }
"#;

/// Differs from [`CALLS_C`] by the call alone: a declaration without a call needs no symbol.
const CALLS_NOTHING: &str = r#"#![no_std]
#[link(name = "c")]
unsafe extern "C" { fn getpid() -> i32; }
pub fn process_id() -> i32 { 1 }
pub fn not_called() -> i32 { unsafe { getpid() } }
"#;

/// A crate that needs a shared library of another name.
const CALLS_SHARED: &str = r#"#![no_std]
#[link(name = "switchboardtest")]
unsafe extern "C" { fn getpid() -> i32; }
pub fn process_id() -> i32 { unsafe { getpid() } }
"#;

/// A package outside the workspace.
struct Package {
    folder: PathBuf,
}

impl Package {
    fn new(dependency: &str, source: &str) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("symbols").join(dependency);
        let link = Path::new(env!("CARGO_MANIFEST_DIR")).join("../image/link");
        let link = link.to_str().expect("cargo reads manifests in UTF-8");
        let named = |text: &str| text.replace("DEPENDENCY", dependency).replace("LINK", link);
        let write = |path: &str, text: &str| {
            let path = folder.join(path);
            fs::create_dir_all(path.parent().expect("it is in `folder`")).expect("target/ is writable");
            fs::write(path, text).expect("target/ is writable");
        };
        write("Cargo.toml", &named(MANIFEST));
        write("build.rs", BUILD_SCRIPT);
        write("src/main.rs", &named(PROGRAM));
        write(&format!("{dependency}/src/lib.rs"), source);
        let manifest = format!("[package]\nname = \"{dependency}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n");
        write(&format!("{dependency}/Cargo.toml"), &manifest);
        Self { folder }
    }

    fn build(&self, flags: &str) -> Output {
        Command::new(env!("CARGO"))
            .args(["build", "--offline", "--target", "x86_64-unknown-linux-gnu", "--target-dir", "target"])
            .current_dir(&self.folder)
            .env("RUSTFLAGS", flags)
            .env_remove("CARGO_ENCODED_RUSTFLAGS")
            .output()
            .expect("this test is run by cargo")
    }

    fn program(&self) -> PathBuf {
        let name = self.folder.file_name().and_then(|name| name.to_str()).expect("given in UTF-8");
        self.folder.join(format!("target/x86_64-unknown-linux-gnu/debug/image-with-{name}"))
    }
}

/// Checks that the build failed and printed all of `expected`.
fn fails_with(output: &Output, expected: &[&str]) {
    let printed = str::from_utf8(&output.stderr).expect("cargo prints UTF-8");
    assert!(!output.status.success(), "it links:\n{printed}");
    for part in expected {
        assert!(printed.contains(part), "no {part:?} in:\n{printed}");
    }
}

#[test]
fn a_function_of_the_c_library_fails_the_build_and_its_caller_is_named() {
    let package = Package::new("calls_c", CALLS_C);
    fails_with(&package.build(FLAGS), &["no crate defines `getpid`", "calls_c::process_id", "docs/crates.md"]);
    // Static linking of the C library must fail too: it would run without initialization.
    let with_static_c = "-Cno-redzone=yes -Ctarget-feature=+crt-static";
    fails_with(&package.build(with_static_c), &["no crate defines `getpid`", "calls_c::process_id"]);
}

#[test]
fn a_c_library_that_is_not_called_does_no_harm() {
    let package = Package::new("calls_nothing", CALLS_NOTHING);
    let output = package.build(FLAGS);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(package.program().is_file());
}

#[test]
fn a_shared_library_fails_the_build() {
    let package = Package::new("calls_shared", CALLS_SHARED);
    let source = package.folder.join("shared.c");
    fs::write(&source, "int getpid(void) { return 1; }\n").expect("target/ is writable");
    let library = package.folder.join("libswitchboardtest.so");
    let made = Command::new("cc").args(["-shared", "-nostdlib", "-o"]).args([&library, &source]).status();
    assert!(made.expect("rustc links with cc").success());
    let flags = format!("{FLAGS} -L{}", package.folder.display());
    fails_with(&package.build(&flags), &["a crate needs a shared library", "-lswitchboardtest", "docs/crates.md"]);
}

#[test]
fn a_missing_library_fails_the_build() {
    let package = Package::new("calls_missing", &CALLS_SHARED.replace("switchboardtest", "switchboardmissing"));
    fails_with(&package.build(FLAGS), &["no library `switchboardmissing`", "docs/crates.md"]);
}

#[test]
fn a_red_zone_fails_the_build() {
    let package = Package::new("red_zone", CALLS_NOTHING);
    fails_with(&package.build("-Cno-redzone=no"), &["must be built with `-Cno-redzone=yes`"]);
}
