//! The registers of every virtio device on PCI (virtio 1.2, 4.1.4.3 and 4.1.4.5).

use bitflags::bitflags;
use switchboard::mmio::{AddressPair, ReadOnly, Reg, RegisterBlock};

/// The common configuration structure. 64-bit fields are written as two halves (4.1.3.1).
pub(super) struct Common;

impl RegisterBlock for Common {
    const SIZE: u64 = 56;
}

pub(super) const DEVICE_FEATURE_SELECT: Reg<Common, u32> = Reg::at(0);
pub(super) const DEVICE_FEATURE: Reg<Common, u32, ReadOnly> = Reg::at(4);
pub(super) const DRIVER_FEATURE_SELECT: Reg<Common, u32> = Reg::at(8);
pub(super) const DRIVER_FEATURE: Reg<Common, u32> = Reg::at(12);
pub(super) const CONFIG_MSIX_VECTOR: Reg<Common, u16> = Reg::at(16);
pub(super) const NUM_QUEUES: Reg<Common, u16, ReadOnly> = Reg::at(18);
pub(super) const DEVICE_STATUS: Reg<Common, u8> = Reg::at(20);
pub(super) const CONFIG_GENERATION: Reg<Common, u8, ReadOnly> = Reg::at(21);
pub(super) const QUEUE_SELECT: Reg<Common, u16> = Reg::at(22);
pub(super) const QUEUE_SIZE: Reg<Common, u16> = Reg::at(24);
pub(super) const QUEUE_MSIX_VECTOR: Reg<Common, u16> = Reg::at(26);
pub(super) const QUEUE_ENABLE: Reg<Common, u16> = Reg::at(28);
pub(super) const QUEUE_NOTIFY_OFF: Reg<Common, u16, ReadOnly> = Reg::at(30);
pub(super) const QUEUE_DESC: AddressPair<Common> = AddressPair::at(32);
pub(super) const QUEUE_DRIVER: AddressPair<Common> = AddressPair::at(40);
pub(super) const QUEUE_DEVICE: AddressPair<Common> = AddressPair::at(48);

/// The value of a vector register after the device refused an entry (4.1.5.1.2.1).
pub(super) const NO_VECTOR: u16 = 0xffff;

bitflags! {
    /// The device status (2.1).
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(super) struct DeviceStatus: u8 {
        const ACKNOWLEDGE = 1;
        const DRIVER = 2;
        const DRIVER_OK = 4;
        const FEATURES_OK = 8;
        const NEEDS_RESET = 64;
    }
}

/// The ISR status structure.
pub(super) struct IsrStatus;

impl RegisterBlock for IsrStatus {
    const SIZE: u64 = 1;
    const ALIGN: u64 = 1;
}

/// The causes of an interrupt on the line. Reading clears it, and deasserts the line.
pub(super) const ISR_STATUS: Reg<IsrStatus, u8, ReadOnly> = Reg::at(0);

bitflags! {
    /// The causes of an interrupt on the line (4.1.4.5).
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct InterruptCause: u8 {
        /// A queue has used chains.
        const QUEUE = 1;
        /// The device configuration changed.
        const CONFIG = 2;
    }
}
