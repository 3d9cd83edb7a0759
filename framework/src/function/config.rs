//! A claimed function's view of its own configuration space.

use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::config::{Address, Capability, ExpressCapability, ExtendedCapability, Header, PowerCapability};
use crate::ownership::Claimed;

/// The configuration space of a claimed function. To read only: what may be written there (Command, BARs, the
/// interrupt capabilities) belongs to the typestates.
#[derive(Debug)]
pub struct Config {
    claimed: Arc<Claimed>,
}

impl Config {
    pub(super) fn new(claimed: Arc<Claimed>) -> Self {
        Self { claimed }
    }

    /// Where the function is.
    #[must_use]
    pub fn address(&self) -> Address {
        self.claimed.record().address()
    }

    /// The subsystem's vendor and device.
    #[must_use]
    pub fn subsystem(&self) -> Option<(u16, u16)> {
        self.claimed.record().facts.subsystem
    }

    /// Its capability list.
    #[must_use]
    pub fn capabilities(&self) -> Vec<Capability> {
        self.claimed.record().facts.capabilities.entries.clone()
    }

    /// Its extended capability list.
    #[must_use]
    pub fn extended_capabilities(&self) -> Vec<ExtendedCapability> {
        self.claimed.record().facts.extended_capabilities()
    }

    /// Its header, as it was when the function was found.
    #[must_use]
    pub fn header(&self) -> Header {
        *self.claimed.record().header()
    }

    /// Its PCI Express capability.
    #[must_use]
    pub fn express(&self) -> Option<ExpressCapability> {
        self.claimed.record().facts.express
    }

    /// Its power management capability.
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

    /// Reads four bytes at an offset divisible by four.
    #[must_use]
    pub fn read_u32(&self, offset: u16) -> u32 {
        self.claimed.space().read_u32(offset)
    }
}
