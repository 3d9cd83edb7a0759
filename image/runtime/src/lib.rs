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
//! What this crate needs of the machine itself comes to it as a [`Host`](host::Host), so everything here runs in tests, too.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod command_line;
pub mod console;
pub mod devices;
pub mod disk;
pub mod free;
pub mod host;
pub mod mark;
mod memory_disk;
mod slots;
pub mod spin;
pub mod system;
pub mod table;
pub mod tasks;
