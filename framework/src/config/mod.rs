//! Configuration space: how it is reached and what it says.

mod access;
mod capability;
mod ecam;
mod header;
mod ports;

pub use access::{ConfigAccess, Width};
pub use capability::Capability;
pub use ecam::{Ecam, EcamRegion};
pub use header::{Class, Header, HeaderKind};
pub use pci_types::PciAddress as Address;
pub use ports::Ports;

pub(crate) use access::Space;
pub(crate) use capability::{BarOffset, MsiCapability, MsixCapability, capabilities};
pub(crate) use header::{COMMAND, Command, update_command};
