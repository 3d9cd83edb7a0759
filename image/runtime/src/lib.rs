//! The runtime of an image, above the bare machine: tasks, devices by type, disks, hot-plug, the command line.
//!
//! An app is an async function that gets a [`System`](system::System):
//!
//! ```
//! use switchboard_drivers::virtio::VirtioBlk;
//! use switchboard_runtime::devices::{DriverEntry, class};
//! use switchboard_runtime::disk::Disk;
//! use switchboard_runtime::system::{App, Outcome, System};
//!
//! const DRIVERS: &[DriverEntry] = &[class::<VirtioBlk, Disk>()];
//! const APPS: &[App] = &[App::new("disks", &disks)];
//!
//! async fn disks(system: System) -> Outcome {
//!     for found in system.devices.iter::<Disk>() {
//!         switchboard_runtime::say!("{}: {:?}", found.function, found.device);
//!     }
//!     Ok(())
//! }
//!
//! assert_eq!(APPS[0].name, "disks");
//! ```
//!
//! `switchboard_boot::image! { drivers: DRIVERS, apps: APPS }` makes a bootable image of the two lists.
//!
//! | Module | Contents |
//! |---|---|
//! | [`system`] | apps, subsystems, and the [`System`](system::System) that they share |
//! | [`devices`] | the list of drivers, and the registry of devices by type |
//! | [`disk`] | disks with any driver |
//! | [`tasks`] | tasks, groups of tasks, cancellation, idle time |
//! | [`command_line`] | options and arguments |
//! | [`console`], [`boot_table`], [`log_ring`], [`log_limit`] | lines on the console, the last of them, and a limit of them |
//! | [`consoles`], [`shell`] | console devices, and a shell on any stream of bytes |
//! | `screen` | displays, and what the console prints on them (feature `screen`) |
//! | [`entropy`] | random numbers, and whether they are fit for keys |
//! | [`wall_clock`] | date and time of day |
//! | [`halt_polling`], [`hal`] | for `switchboard-boot`: the executor's idle policy, and the machine below |
//! | [`memory_budget`] | a budget of memory for what peers can make grow |
//! | [`mark`], [`free_resources`] | for measurements and tests |
//!
//! The crate reaches the machine below only through [`Hal`](hal::Hal), so everything here runs in host tests, too.
//!
//! # Dependencies in the public interface
//!
//! - `embassy-executor` 0.10, re-exported as [`embassy_executor`]: [`Tasks::new`](tasks::Tasks::new) takes its `Spawner`.
//! - `embedded-graphics` 0.8, whose trait `DrawTarget` the displays of `screen` implement.
//! - `embedded-io-async` 0.7, whose traits [`ConsolePort`](consoles::ConsolePort) implements.
//! - `rand_core` 0.10 and 0.6, whose traits [`SystemRng`](entropy::SystemRng) implements.
//! - [`switchboard`] and `switchboard-drivers`.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod boot_table;
pub mod command_line;
pub mod console;
pub mod consoles;
pub mod devices;
pub mod disk;
pub mod entropy;
pub mod free_resources;
pub mod hal;
pub mod halt_polling;
#[cfg(feature = "hotplug")]
mod hotplug_ports;
pub mod log_limit;
pub mod log_ring;
pub mod mark;
pub mod memory_budget;
mod memory_disk;
#[cfg(feature = "hotplug")]
mod platform_slots;
#[cfg(feature = "screen")]
pub mod screen;
pub mod share;
pub mod shell;
pub mod sort;
pub mod system;
pub mod tasks;
mod timeout_watch;
pub mod wall_clock;

pub use embassy_executor;
