//! Read access of a driver to the configuration space of its function.

use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::config::{Address, Capability, ExpressCapability, ExtendedCapability, Header, PowerCapability};
use crate::ownership::Claimed;

/// The configuration space of a claimed function, read-only: only the framework writes Command, the BARs and the interrupt
/// capabilities.
///
/// ```
/// # use switchboard_testing::{FakeFunction, FakeMachine};
/// # let fake = FakeMachine::new([FakeFunction::new(0x1af4, 0x1041).capability(0x09, &[0x10; 14])]);
/// # let resources = fake.machine().take_all().remove(0).claim()?;
/// let config = resources.config;
/// assert_eq!(config.read_u16(0), 0x1af4, "Vendor ID");
/// let vendor_specific = config.capabilities().into_iter().find(|capability| capability.id == 0x09);
/// assert_eq!(vendor_specific.map(|capability| config.read_u8(capability.offset + 2)), Some(0x10));
/// # Ok::<(), switchboard::driver::ProbeError>(())
/// ```
#[derive(Debug)]
pub struct Config {
    claimed: Arc<Claimed>,
}

impl Config {
    pub(super) fn new(claimed: Arc<Claimed>) -> Self {
        Self { claimed }
    }

    /// Returns the address of the function.
    #[must_use]
    pub fn address(&self) -> Address {
        self.claimed.record().address()
    }

    /// Returns the Subsystem Vendor ID and Subsystem ID, or `None` when the function has none.
    #[must_use]
    pub fn subsystem(&self) -> Option<(u16, u16)> {
        self.claimed.record().facts.subsystem
    }

    /// Returns the capability list.
    #[must_use]
    pub fn capabilities(&self) -> Vec<Capability> {
        self.claimed.record().facts.capabilities.entries.clone()
    }

    /// Returns the extended capability list; empty without PCI Express.
    #[must_use]
    pub fn extended_capabilities(&self) -> Vec<ExtendedCapability> {
        self.claimed.record().facts.extended_capabilities()
    }

    /// Returns the header, as it was when the function was found.
    #[must_use]
    pub fn header(&self) -> Header {
        *self.claimed.record().header()
    }

    /// Returns the PCI Express capability.
    #[must_use]
    pub fn express(&self) -> Option<ExpressCapability> {
        self.claimed.record().facts.express
    }

    /// Returns the power management capability.
    #[must_use]
    pub fn power(&self) -> Option<PowerCapability> {
        self.claimed.record().facts.power
    }

    /// Reads one byte.
    #[must_use]
    pub fn read_u8(&self, offset: u16) -> u8 {
        self.claimed.space().read_u8(offset)
    }

    /// Reads two bytes at an even offset.
    #[must_use]
    pub fn read_u16(&self, offset: u16) -> u16 {
        self.claimed.space().read_u16(offset)
    }

    /// Reads four bytes at an offset that is a multiple of four.
    #[must_use]
    pub fn read_u32(&self, offset: u16) -> u32 {
        self.claimed.space().read_u32(offset)
    }
}
