//! The unwinder's names. Panics abort, so nothing unwinds, but the prebuilt crates were made for targets that do.

#![expect(unsafe_code, reason = "symbols that the linker looks for by name")]

/// Named by the prebuilt `core`'s unwind tables. Panics abort, so nobody calls it.
#[unsafe(no_mangle)]
extern "sysv64" fn rust_eh_personality() {}

/// Named by landing pads of the prebuilt crates in debug builds. Panics abort, so nobody calls it.
#[unsafe(no_mangle)]
extern "sysv64" fn _Unwind_Resume() -> ! {
    switchboard_x86_64::shutdown::exit(false)
}
