//! Configuration space: how it is reached and what it says.
//!
//! Reading and judging are apart: [`Facts`] holds what a function says, each capability a value of its own type, and
//! beside them the [defects](Defect): what of it is not believed, and why. Every walk here ends on every input.

mod access;
mod base_address;
mod bridge;
mod capability;
mod defect;
mod express;
mod extended;
mod facts;
mod header;
mod msi;
mod msix;
mod pin;
mod power;
mod refusal;

pub use access::{ConfigAccess, Width};
pub use base_address::{BarEncoding, BarRegister, MemoryType, RomRegister};
pub use bridge::{BridgeHeader, BridgeWindow, BusNumbers, WindowRange};
pub use capability::{Capability, CapabilityList, ChainEnd};
pub use defect::{BarDefect, Defect};
pub use express::{ExpressCapability, PortType, SlotCapabilities};
pub use extended::{ExtendedCapability, ExtendedList};
pub use facts::Facts;
pub use header::{Class, Header, HeaderKind};
pub use msi::MsiCapability;
pub use msix::{BarOffset, MsixCapability};
pub use pci_types::PciAddress as Address;
pub use pin::Pin;
pub use power::PowerCapability;
pub use refusal::{Refusal, RefusalReason};

pub(crate) use access::Space;
pub(crate) use header::{COMMAND, Command, read_command, update_command, write_command};
pub(crate) use refusal::same_ids;
