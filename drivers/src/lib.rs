//! Drivers for real devices, all of them without `unsafe`.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod adaptive_polling;
pub mod e1000;
pub mod edu;
pub mod hotplug;
pub mod interfaces;
pub mod virtio;
