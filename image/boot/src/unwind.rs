//! The symbols of the unwinder, which prebuilt crates refer to. Panics abort here, so they are never called.

#![expect(unsafe_code, reason = "symbols that the linker looks for by name")]

/// Referred to by the unwind tables of the prebuilt `core`; never called.
#[unsafe(no_mangle)]
extern "sysv64" fn rust_eh_personality() {}

/// Referred to by landing pads of the prebuilt crates in debug builds; never called.
#[unsafe(no_mangle)]
extern "sysv64" fn _Unwind_Resume() -> ! {
    switchboard_x86_64::shutdown::exit(false)
}
