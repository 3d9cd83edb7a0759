//! PCI functions that are implemented by the test: QEMU's `x-pci-proxy-dev` forwards all their accesses to a thread.
//!
//! A function can so be a real one, read from a dump, or a malformed one: with a wrong BAR size, changing ids,
//! arbitrary registers, or one that is removed. Every access of the guest is logged. Not supported: extended
//! configuration space, interrupts, and BARs above 4 GiB.

mod bar_map;
mod behaviour;
mod config_builder;
mod faulty_virtio;
mod hostile_case;
mod log;
mod memory;
mod registers;
mod serve;
mod space;
mod virtio_kind;
mod wire;
mod writable;

pub use behaviour::Behaviour;
pub use config_builder::ConfigBuilder;
pub use faulty_virtio::{FaultyVirtio, VirtioFault};
pub use hostile_case::{Expect, HostileCase, Limits};
pub use log::{Access, ConfigWrite};
pub use memory::GuestMemory;
pub use registers::{Garbage, Ones, Registers, Stored};
pub use serve::Proxy;
pub use space::Space;
pub use virtio_kind::VirtioKind;

#[cfg(test)]
mod tests;
