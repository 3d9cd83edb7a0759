//! Configuration space: access to it, and its decoded contents.
//!
//! Decoding and checking are separate: [`Facts`] holds the contents, each capability as a value of its own type, and
//! the [defects](Defect), which are the parts that are invalid and not used. Every walk here ends on every input.
//!
//! An [`Address`] names a function by segment, bus, device and function number. It is `PciAddress` of the crate
//! `pci_types` 0.10, re-exported, as is the type that [`Class::name`] returns:
//!
//! ```
//! use switchboard::config::Address;
//!
//! let address = Address::new(0, 0x1c, 3, 1);
//! assert_eq!((address.bus(), address.device(), address.function()), (0x1c, 3, 1));
//! assert_eq!(address.to_string(), "0000:1c:03.1");
//! assert!(address < Address::new(0, 0x1d, 0, 0), "ordered by segment, bus, device, function");
//! ```

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
mod sriov;

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
pub use pci_types::device_type::DeviceType;
pub use pin::Pin;
pub use power::PowerCapability;
pub use refusal::{Refusal, RefusalReason};
pub use sriov::SriovCapability;

pub(crate) use access::Space;
pub(crate) use header::{COMMAND, Command, read_command, update_command, write_command};
pub(crate) use refusal::same_ids;
