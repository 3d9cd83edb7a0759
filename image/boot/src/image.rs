//! The image: its lists of drivers and of apps, and the start of both.

#![expect(unsafe_code, reason = "the image is a symbol, which the linker looks for by name")]

use switchboard_runtime::command_line::{LogTime, Options};
use switchboard_runtime::devices::DriverEntry;
use switchboard_runtime::halt_polling::HaltPolling;
use switchboard_runtime::system::{self, App};
use switchboard_runtime::tasks::Tasks;
use switchboard_runtime::{command_line, say, wall_clock};
use switchboard_x86_64::{self as arch, BootInfo};

use crate::{executor, time_driver};

/// The drivers and the apps of an image. Made by [`image!`](crate::image!).
#[derive(Debug, Clone, Copy)]
pub struct Image {
    /// The drivers. A function goes to the one with the most specific match, whatever the order.
    pub drivers: &'static [DriverEntry],
    /// The apps. The first one is run when the command line names none.
    pub apps: &'static [App],
}

/// Defines the image of a program from its drivers and its apps.
///
/// Takes expressions of the types of [`Image`]'s fields, and must be used exactly once in a program:
///
/// ```ignore (needs the bare machine)
/// switchboard_boot::image! { drivers: DRIVERS, apps: APPS }
/// ```
#[macro_export]
macro_rules! image {
    (drivers: $drivers:expr, apps: $apps:expr $(,)?) => {
        const _: () = {
            #[unsafe(no_mangle)]
            static SWITCHBOARD_IMAGE: $crate::Image = $crate::Image { drivers: $drivers, apps: $apps };
        };
    };
}

unsafe extern "Rust" {
    /// Defined by [`image!`](crate::image!), which gives it this type.
    safe static SWITCHBOARD_IMAGE: Image;
}

/// Initialises the machine, and runs the image on it.
pub(crate) fn main(boot: BootInfo) -> ! {
    let options = command_line::parse(boot.command_line(), |warning| say!("{warning}"));
    log::set_max_level(options.log);
    let machine = match arch::init(boot, options.policy, options.max_cpus) {
        Ok(machine) => machine,
        Err(error) => {
            say!("cannot run on this machine: {error}");
            arch::shutdown::exit(false)
        }
    };
    let usage = arch::memory_usage();
    let (heap_mib, pool_mib) = (usage.heap.total >> 20, usage.dma_pages >> 8);
    log::info!("memory: {heap_mib} MiB heap, {pool_mib} MiB for DMA; {} vectors free", machine.free_vectors());
    options.line_routes.iter().for_each(|(function, gsi)| machine.route_line(function, gsi));
    if let Some(count) = options.max_vectors {
        machine.limit_vectors(count);
    }
    machine.spread_interrupts(options.is_spread);
    // No interrupt handler may allocate: from here on, one that does is reported.
    arch::forbid_allocation_in_handlers();
    time_driver::start();
    start_wall_clock(&options);
    executor::run(HaltPolling::new(u64::from(options.spin_us) * 1000), |spawner| {
        let (tasks, Image { drivers, apps }) = (Tasks::new(spawner), SWITCHBOARD_IMAGE);
        tasks.spawn(system::run(tasks, machine, options, drivers, apps));
    })
}

/// Sets the wall clock by the real-time clock, and prints the date with log lines if the command line wants it.
fn start_wall_clock(options: &Options<'_>) {
    wall_clock::start();
    match wall_clock::now() {
        Some(now) => log::info!("date: {now}"),
        None => log::info!("date: unknown, this machine has no real-time clock"),
    }
    if options.log_time == LogTime::Utc {
        arch::console::set_time_stamp(|line| match wall_clock::now() {
            Some(now) => write!(line, "{now}").is_ok(),
            None => false,
        });
    }
}
