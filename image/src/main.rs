//! The bare-metal image: boots, brings the machine up, runs.
#![no_std]
#![no_main]

extern crate alloc;

mod boot;

use switchboard::arch::{self, BootInfo};
use switchboard::interrupt::ModePolicy;

/// Everything after the entry: the machine, then what runs on it.
fn kernel_main(boot: BootInfo) -> ! {
    if let Err(error) = arch::init(boot, ModePolicy::all()) {
        log::error!("cannot run on this machine: {error}");
        arch::power::exit(false)
    }
    log::info!("memory {:?}", arch::memory_figures());
    arch::power::exit(true)
}
