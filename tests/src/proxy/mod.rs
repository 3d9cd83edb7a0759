//! PCI functions that live in the test: QEMU's `x-pci-proxy-dev` asks a thread of ours for everything.
//!
//! So a function can be any real one, read from a dump, or one that lies: about its size, its ids, its registers, or
//! about being there at all. Every access that the guest makes is written down. What this cannot do: extended
//! configuration space, interrupts, and BARs above 4 GiB.

mod behaviour;
mod catalogue;
mod kind;
mod log;
mod memory;
mod placed;
mod registers;
mod serve;
mod sketch;
mod space;
mod virtio;
mod wire;
mod writable;

pub use behaviour::Behaviour;
pub use catalogue::{Case, Expect, Limits};
pub use kind::Kind;
pub use log::{Access, ConfigWrite};
pub use memory::GuestMemory;
pub use registers::{Garbage, Ones, Registers, Stored};
pub use serve::Proxy;
pub use sketch::Sketch;
pub use space::Space;
pub use virtio::{Lie, VirtioLiar};

#[cfg(test)]
mod tests;
