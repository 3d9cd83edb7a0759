//! Typed PCI functions and typed interrupts for unikernels.
//!
//! The [scan](machine::Machine::scan) finds [functions](function), a [driver] claims one and gets its resources, each of which
//! moves out once: mapped [registers](mmio) in its BARs, [memory](dma) that it reaches, and its
//! [interrupts](interrupt), which are a **line** or **messages** and never the one in place of the other.
#![no_std]

extern crate alloc;

pub mod assign;
pub mod bar;
pub mod config;
pub mod dma;
pub mod driver;
pub mod event;
pub mod function;
pub mod interrupt;
mod inventory;
pub mod machine;
pub mod mmio;
mod ownership;
pub mod platform;
mod scan;
mod sort;
pub mod sync;
pub mod vector;
