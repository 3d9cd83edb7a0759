//! PCI functions that live in the test: QEMU's `x-pci-proxy-dev` asks a thread of ours for everything.
//!
//! So a function can be any real one, read from a dump, or one that lies: about its size, its ids, its registers, or
//! about being there at all. Every access that the guest makes is written down. What this cannot do: extended
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
