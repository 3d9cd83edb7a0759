//! The image's library: everything above the bare machine, testable on the host.
//!
//! Bottom up: [`devices`] come from the list in [`drivers`]; [`network`] and [`files`] are made of devices; an
//! app of the list in [`apps`] uses them, over [`http`] for one.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod apps;
pub mod command_line;
pub mod console;
pub mod devices;
pub mod disk;
pub mod drivers;
pub mod files;
pub mod free;
pub mod nic;
mod slots;
pub mod spin;
pub mod system;
pub mod table;
#[cfg(test)]
mod testing;

pub use switchboard_service::{http, network, tasks};
