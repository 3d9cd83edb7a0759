//! What an image runs on, above the bare machine: tasks, devices by their type, disks, slots for hot-plug, the command line.
//!
//! An app is an async function that gets a [`System`](system::System):
//!
//! ```
//! use switchboard_runtime::system::{App, Outcome, System};
//!
//! async fn hello(system: System) -> Outcome {
//!     switchboard_runtime::say!("{} functions", system.machine.functions().len());
//!     Ok(())
//! }
//!
//! const APPS: &[App] = &[App::new("hello", &hello)];
//! ```
//!
//! What this crate needs of the machine itself comes to it as a [`Hal`](hal::Hal), so everything here runs in tests, too.
//!
//! # Dependencies in the public interface
//!
//! - `embassy-executor` 0.10, re-exported as [`embassy_executor`]: [`Tasks::new`](tasks::Tasks::new) takes its `Spawner`.
//! - [`switchboard`] and `switchboard-drivers`.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod boot_table;
pub mod command_line;
pub mod console;
pub mod devices;
pub mod disk;
pub mod free_resources;
pub mod hal;
pub mod halt_polling;
mod hotplug_ports;
pub mod mark;
mod memory_disk;
pub mod system;
pub mod tasks;

pub use embassy_executor;
