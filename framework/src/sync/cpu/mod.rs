//! The few CPU instructions that the core needs, one file for each CPU architecture.
//!
//! `--cfg switchboard_portable` selects the portable file whatever the target: by that a build on one machine checks that the core
//! needs none of the others.

#[cfg(all(target_arch = "aarch64", target_os = "none", not(switchboard_portable)))]
#[path = "aarch64.rs"]
mod arch;
#[cfg(all(target_arch = "riscv64", target_os = "none", not(switchboard_portable)))]
#[path = "riscv64.rs"]
mod arch;
#[cfg(all(target_arch = "x86_64", not(switchboard_portable)))]
#[path = "x86_64.rs"]
mod arch;
#[cfg(not(any(
    all(target_arch = "x86_64", not(switchboard_portable)),
    all(target_arch = "aarch64", target_os = "none", not(switchboard_portable)),
    all(target_arch = "riscv64", target_os = "none", not(switchboard_portable)),
)))]
#[path = "portable.rs"]
mod arch;

pub(crate) use arch::{disable_interrupts, enable_interrupts, io_fence, stack_pointer, ticks};
