//! Typed PCI functions and typed interrupts for unikernels.
#![no_std]
extern crate alloc;

pub mod config;
pub mod interrupt;
pub mod machine;
pub mod sync;
