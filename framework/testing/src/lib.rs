//! A machine made of memory, for tests on the host.
//!
//! The framework and the drivers run unchanged: configuration space is an array, BARs and DMA memory are heap,
//! and a test plays the device: it reads what the driver wrote, writes what a device would, and raises
//! interrupts as a device would, through the MSI-X table that the framework programmed, or by pulling a line.
//!
//! ```
//! use switchboard_testing::{FakeFunction, FakeMachine};
//! let fake = FakeMachine::new([FakeFunction::new(0x1234, 0x11e8).at("00:03.0").bar(0, 0x1000).pin(1, 10)]);
//! let function = fake.machine().take_all().remove(0);
//! assert_eq!(function.id(), (0x1234, 0x11e8));
//! ```

#![no_std]

extern crate alloc;

mod builder;
mod config;
mod controller;
mod device_state;
mod function;
mod machine;
mod memory;
mod registers;
mod removal_test;
mod signals;
mod tree;

pub use builder::{Builder, DeviceRegisters};
pub use function::FakeFunction;
pub use machine::FakeMachine;
pub use removal_test::{RemovalDetection, RemovalTest};
pub use tree::{assign_any, tree_of};
