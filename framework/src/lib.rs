//! Typed PCI functions and typed interrupts for unikernels.
//!
//! The walk finds [functions](function), a [driver](driver) claims one and gets its resources, each of which
//! moves out once: mapped [windows](bar) into its BARs, [memory](dma) that it reaches, and its
//! [interrupts](interrupt), which are a **line** or **messages** and never the one in place of the other.
#![no_std]

extern crate alloc;

pub mod arch;
pub mod assign;
pub mod bar;
pub mod config;
pub mod dma;
pub mod driver;
#[cfg(feature = "fake")]
pub mod fake;
pub mod function;
pub mod interrupt;
pub mod machine;
mod sort;
pub mod sync;
