//! Drivers that only raise interrupts and count what becomes of each, and the apps that use them: for tests and
//! measurements, and as examples of interrupts that are unlike those of other drivers.
//!
//! No image for users has them. The image of the tests does, by its feature `instruments`.
//!
//! | Module | Device | Its interrupts |
//! |---|---|---|
//! | [`edu`] | QEMU's edu | one message or the line, raised by a register |
//! | [`e1000e`] | Intel's 82574 card | five messages, or all causes on one message or on the line |
//! | [`xhci`] | USB controllers | a message for each of up to 16 interrupters |
//! | [`ivshmem`] | QEMU's ivshmem-doorbell | eight messages, rung by another process |
//!
//! The apps are [`interrupts`], which raises, counts and tortures, and [`bench_interrupts`], which measures.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod bench_interrupts;
pub mod e1000e;
pub mod edu;
pub mod interrupts;
pub mod ivshmem;
pub mod raise;
pub mod xhci;
