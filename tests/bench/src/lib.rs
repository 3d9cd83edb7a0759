//! Measures the image: beside Linux and beside what QEMU's device models allow ([`rows`]), and in exact guest
//! instructions ([`count`]).
#![forbid(unsafe_code)]

pub mod client;
pub mod count;
pub mod guest;
pub mod ports;
pub mod report;
pub mod rows;
pub mod systems;
