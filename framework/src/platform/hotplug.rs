//! Hot-plug by a controller of the platform, in place of slots of PCI Express ports: ACPI's, as on QEMU's machines.

use alloc::vec::Vec;
use core::fmt;

use super::Gsi;
use crate::config::Address;

/// A bus whose slots a [`HotplugController`] covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HotplugBus {
    /// A root bus, by segment and number.
    Root(u16, u8),
    /// The bus behind this bridge.
    Behind(Address),
}

/// Devices of one bus, a bit for each device number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HotplugChange {
    /// The bus, by its place in [`HotplugController::buses`].
    pub bus: usize,
    /// Devices that were added since the last call.
    pub added: u32,
    /// Devices whose removal is requested; until they are ejected.
    pub removals: u32,
}

/// The controller of hot-plug of a platform. Its interrupt is a line of its own, which is level-triggered.
pub trait HotplugController: Send + Sync + fmt::Debug {
    /// Returns the line that it interrupts by.
    fn gsi(&self) -> Gsi;

    /// Returns the buses that it covers.
    fn buses(&self) -> &[HotplugBus];

    /// Enables its interrupt.
    fn enable(&self);

    /// Returns whether it asserts its line.
    fn is_pending(&self) -> bool;

    /// Deasserts its line. Returns whether it was asserted.
    fn acknowledge(&self) -> bool;

    /// Returns the changes since the last call, of each bus that has any.
    fn changes(&self) -> Vec<HotplugChange>;

    /// Ejects a device, which is gone then. The drivers of its functions must have been dropped.
    fn eject(&self, bus: usize, device: u8);
}
