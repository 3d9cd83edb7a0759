//! From the jump of the loader to a running image: what a program needs of a platform, for [`image!`].
//!
//! Only a program without a standard library can link this crate: it has a panic handler and an allocator. An image is a
//! `main.rs` that names its drivers and its apps:
//!
//! ```ignore
//! #![no_std]
//! #![no_main]
//!
//! switchboard_boot::image! {
//!     drivers: &[nic::<VirtioNet>(), class::<VirtioBlk, Disk>()],
//!     apps: &[App::new("web", &web)],
//! }
//! ```
//!
//! with a `build.rs` that calls `switchboard_link::image()`.
#![no_std]
#![deny(unsafe_code)]

extern crate alloc;

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
