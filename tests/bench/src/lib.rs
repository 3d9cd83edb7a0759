//! Benchmarks of the image: compared with Linux and with the limit of QEMU's device models ([`rows`]), and in exact
//! guest instructions ([`count`]).
#![forbid(unsafe_code)]

pub mod client;
pub mod count;
mod goals;
pub mod guest;
pub mod ports;
pub mod report;
pub mod rows;
mod storage;
pub mod systems;
mod tap;
mod web;
