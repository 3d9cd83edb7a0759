//! The bare-metal image: boots, brings the machine up, runs an app.
#![no_std]
#![no_main]
#![deny(unsafe_code)]

extern crate alloc;

mod boot;
mod executor;
mod time_driver;

use switchboard_image::spin::Spin;
use switchboard_image::tasks::Tasks;
use switchboard_image::{command_line, say, system};
use switchboard_x86_64::{self as arch, BootInfo};

/// Everything after the entry: the machine, then what runs on it.
fn kernel_main(boot: BootInfo) -> ! {
    let options = command_line::parse(boot.command_line(), |warning| say!("{warning}"));
    log::set_max_level(options.log);
    let machine = match arch::init(boot, options.policy) {
        Ok(machine) => machine,
        Err(error) => {
            say!("cannot run on this machine: {error}");
            arch::power::exit(false)
        }
    };
    let figures = arch::memory_figures();
    let (heap, pool) = (figures.heap.total >> 20, figures.dma_pages >> 8);
    log::info!("memory: {heap} MiB heap, {pool} MiB for DMA; {} vectors free", machine.free_vectors());
    if let Some(count) = options.vectors {
        machine.limit_vectors(count);
    }
    // No handler here allocates; a fork that adds one is told.
    arch::forbid_allocation_in_handlers();
    time_driver::start();
    executor::run(Spin::new(u64::from(options.spin) * 1000), |spawner| {
        let tasks = Tasks::new(spawner);
        tasks.spawn(system::run(tasks, machine, options));
    })
}
