//! The lists that make this image: its [`drivers`] and its [`apps`].
//!
//! They are a library so that what does not need the bare machine is tested on the host.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod apps;
pub mod drivers;
