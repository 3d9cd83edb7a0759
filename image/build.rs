//! Links the image: a static ELF of our own layout, without the host's start files and C library.

use std::env;

fn main() {
    // Cargo separates the flags by 0x1f; `-C` and its value may come as one flag or as two.
    let flags = env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default().replace('\x1f', " ");
    let red_zone_is_off = ["no-redzone=yes", "no-redzone=y", "no-redzone=on", "no-redzone=true"];
    if !red_zone_is_off.iter().any(|flag| flags.contains(flag)) {
        println!(
            "cargo::error=the image must be built with `-Cno-redzone=yes`: interrupts would overwrite what functions \
             keep below the stack pointer. `.cargo/config.toml` sets it; a RUSTFLAGS variable replaces that file's \
             flags, so add it there: RUSTFLAGS=\"-Cno-redzone=yes ...\""
        );
    }

    let directory = env::var("CARGO_MANIFEST_DIR").expect("cargo sets it");
    println!("cargo::rerun-if-changed=linker.ld");
    for argument in ["-nostartfiles", "-nostdlib", "-static", "-no-pie"] {
        println!("cargo::rustc-link-arg-bins={argument}");
    }
    // Pages of 4 KiB in the file as in memory, no hash notes beside the PVH note, nothing for a dynamic linker.
    for argument in
        ["-z,max-page-size=4096", "--build-id=none", "-z,norelro", "--no-dynamic-linker", "--no-eh-frame-hdr"]
    {
        println!("cargo::rustc-link-arg-bins=-Wl,{argument}");
    }
    println!("cargo::rustc-link-arg-bins=-Wl,-T,{directory}/linker.ld");
}
