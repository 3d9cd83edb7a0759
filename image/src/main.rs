//! The bare-metal image: boots, brings the machine up, runs.
#![no_std]
#![no_main]
#![deny(unsafe_code)]

extern crate alloc;

mod boot;

use switchboard::arch::{self, BootInfo};
use switchboard::interrupt::ModePolicy;

/// Everything after the entry: the machine, then what runs on it.
fn kernel_main(boot: BootInfo) -> ! {
    log::info!("command line: {:?}", boot.command_line());
    let machine = match arch::init(boot, ModePolicy::all()) {
        Ok(machine) => machine,
        Err(error) => {
            log::error!("cannot run on this machine: {error}");
            arch::power::exit(false)
        }
    };
    let figures = arch::memory_figures();
    let (heap, pool) = (figures.heap.total >> 20, figures.dma_pages >> 8);
    log::info!("memory: {heap} MiB heap, {pool} MiB for DMA; {} vectors free", machine.vectors.free());
    arch::power::exit(true)
}
