//! Configuration space: how it is reached and what it says.

mod access;

pub use access::{ConfigAccess, Width};
pub use pci_types::PciAddress as Address;
