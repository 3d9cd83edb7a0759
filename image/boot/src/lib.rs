//! Boots an image on bare x86-64: entry point, executor, time driver, allocator, panic handler, and the [`image!`] macro.
//!
//! Only a program without a standard library can link this crate, because it has a panic handler and an allocator. The
//! whole `main.rs` of an image:
//!
//! ```ignore (needs the bare machine)
//! #![no_std]
//! #![no_main]
//!
//! use switchboard_drivers::virtio::VirtioBlk;
//! use switchboard_runtime::devices::class;
//! use switchboard_runtime::disk::Disk;
//! use switchboard_runtime::say;
//! use switchboard_runtime::system::{App, Outcome, System};
//!
//! switchboard_boot::image! {
//!     drivers: &[class::<VirtioBlk, Disk>()],
//!     apps: &[App::new("disks", &disks)],
//! }
//!
//! async fn disks(system: System) -> Outcome {
//!     say!("{} disks", system.devices.iter::<Disk>().count());
//!     Ok(())
//! }
//! ```
//!
//! The package also needs a `build.rs` that calls `switchboard_link::image()`.
#![no_std]
#![deny(unsafe_code)]

extern crate alloc;

#[cfg(feature = "coverage")]
mod coverage;
mod critical_section;
mod entry;
mod executor;
mod hal;
mod image;
mod intrinsics;
mod panic;
mod time_driver;
mod unwind;

use switchboard_x86_64::Allocator;

pub use self::image::Image;

#[global_allocator]
static ALLOCATOR: Allocator = Allocator;
