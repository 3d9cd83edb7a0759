//! The image's library: the list of [`drivers`], and the [`apps`].
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod apps;
pub mod drivers;
