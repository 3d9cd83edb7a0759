//! The registers of an HBA and of its ports (AHCI 1.3.1, 3).

use bitflags::bitflags;
use switchboard::mmio::{AddressPair, ReadOnly, Reg, RegisterBlock};

/// The generic host control registers, at the beginning of BAR 5 (3.1).
#[derive(Debug)]
pub(super) struct HbaRegisters;

impl RegisterBlock for HbaRegisters {
    const SIZE: u64 = 0x2c;
    const ALIGN: u64 = 4;
}

pub(super) const CAP: Reg<HbaRegisters, u32, ReadOnly> = Reg::at(0x00);
pub(super) const GHC: Reg<HbaRegisters, u32> = Reg::at(0x04);
/// The ports with a pending interrupt; cleared by writing ones.
pub(super) const IS: Reg<HbaRegisters, u32> = Reg::at(0x08);
/// The ports that are implemented.
pub(super) const PI: Reg<HbaRegisters, u32, ReadOnly> = Reg::at(0x0c);
pub(super) const CAP2: Reg<HbaRegisters, u32, ReadOnly> = Reg::at(0x24);
pub(super) const BOHC: Reg<HbaRegisters, u32> = Reg::at(0x28);

/// The offset of the first port's registers, and the bytes of each (3.3).
pub(super) const PORTS: u64 = 0x100;
pub(super) const PORT_BYTES: u64 = 0x80;

/// The registers of one port.
#[derive(Debug)]
pub(super) struct PortRegisters;

impl RegisterBlock for PortRegisters {
    const SIZE: u64 = 0x3c;
    const ALIGN: u64 = 4;
}

pub(super) const PXCLB: AddressPair<PortRegisters> = AddressPair::at(0x00);
pub(super) const PXFB: AddressPair<PortRegisters> = AddressPair::at(0x08);
/// Interrupt status; most bits are cleared by writing ones.
pub(super) const PXIS: Reg<PortRegisters, u32> = Reg::at(0x10);
pub(super) const PXIE: Reg<PortRegisters, u32> = Reg::at(0x14);
pub(super) const PXCMD: Reg<PortRegisters, u32> = Reg::at(0x18);
/// The status and error registers of the device: `error << 8 | status`.
pub(super) const PXTFD: Reg<PortRegisters, u32, ReadOnly> = Reg::at(0x20);
pub(super) const PXSIG: Reg<PortRegisters, u32, ReadOnly> = Reg::at(0x24);
pub(super) const PXSSTS: Reg<PortRegisters, u32, ReadOnly> = Reg::at(0x28);
pub(super) const PXSCTL: Reg<PortRegisters, u32> = Reg::at(0x2c);
/// Errors of the link; cleared by writing ones.
pub(super) const PXSERR: Reg<PortRegisters, u32> = Reg::at(0x30);
/// The queued commands that the device has; set by writing ones.
pub(super) const PXSACT: Reg<PortRegisters, u32> = Reg::at(0x34);
/// The commands that the HBA has not finished; set by writing ones.
pub(super) const PXCI: Reg<PortRegisters, u32> = Reg::at(0x38);

bitflags! {
    /// The bits of `CAP` (3.1.1), beside its numbers.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(super) struct Capabilities: u32 {
        /// There are external ports, where disks come and go.
        const EXTERNAL_SATA = 1 << 5;
        const STAGGERED_SPIN_UP = 1 << 27;
        const NATIVE_COMMAND_QUEUING = 1 << 30;
        const ADDRESSES_64BIT = 1 << 31;
        const _ = !0;
    }

    /// The bits of `GHC` (3.1.2).
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(super) struct GlobalControl: u32 {
        const RESET = 1 << 0;
        const INTERRUPT_ENABLE = 1 << 1;
        const AHCI_ENABLE = 1 << 31;
    }

    /// The bits of `BOHC` (3.1.11).
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(super) struct Handover: u32 {
        const FIRMWARE_OWNS = 1 << 0;
        const SYSTEM_OWNS = 1 << 1;
        const FIRMWARE_BUSY = 1 << 4;
        const _ = !0;
    }

    /// The bits of `PxIS` and `PxIE` (3.3.5, 3.3.6).
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(super) struct PortInterrupts: u32 {
        /// A command that is not queued has ended.
        const DEVICE_TO_HOST = 1 << 0;
        const PIO_SETUP = 1 << 1;
        /// Queued commands have ended.
        const SET_DEVICE_BITS = 1 << 3;
        const UNKNOWN_FIS = 1 << 4;
        /// A device was connected.
        const CONNECT_CHANGE = 1 << 6;
        /// The link has come up or gone down.
        const PHY_READY_CHANGE = 1 << 22;
        const INTERFACE_FATAL = 1 << 27;
        const BUS_DATA = 1 << 28;
        const BUS_FATAL = 1 << 29;
        const TASK_FILE_ERROR = 1 << 30;

        /// Commands have ended.
        const DONE = Self::DEVICE_TO_HOST.bits() | Self::PIO_SETUP.bits() | Self::SET_DEVICE_BITS.bits();
        /// The disk may have been plugged in or removed.
        const PLUG = Self::CONNECT_CHANGE.bits() | Self::PHY_READY_CHANGE.bits();
        /// The port has stopped processing commands (6.2.2).
        const ERROR = Self::INTERFACE_FATAL.bits() | Self::BUS_DATA.bits() | Self::BUS_FATAL.bits()
            | Self::TASK_FILE_ERROR.bits();
    }

    /// The bits of `PxCMD` (3.3.7).
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(super) struct PortCommand: u32 {
        const START = 1 << 0;
        const SPIN_UP = 1 << 1;
        const POWER_ON = 1 << 2;
        const FIS_RECEIVE = 1 << 4;
        const FIS_RUNNING = 1 << 14;
        const RUNNING = 1 << 15;
        const HOT_PLUG = 1 << 18;
        const COLD_PRESENCE = 1 << 20;
        const EXTERNAL = 1 << 21;
        const IS_PACKET_DEVICE = 1 << 24;
        /// The state to be requested of the link: active.
        const LINK_ACTIVE = 1 << 28;
        const _ = !0;
    }

    /// The bits of the device's status register (ACS-3, 6.2), in `PxTFD`.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(super) struct TaskFile: u32 {
        const ERROR = 1 << 0;
        const DATA_REQUEST = 1 << 3;
        const DEVICE_FAULT = 1 << 5;
        const BUSY = 1 << 7;
        const _ = !0;
    }
}

/// Device detection in `PxSSTS`: a device, and a link to it.
pub(super) const LINK_UP: u32 = 3;
/// Device detection in `PxSCTL`: start the link anew (COMRESET).
pub(super) const COMRESET: u32 = 1;
/// `PxSIG` of a packet device, such as a CD drive.
pub(super) const PACKET_SIGNATURE: u32 = 0xeb14_0101;
/// `PxSIG` of a port multiplier and of an enclosure, which are left alone.
pub(super) const OTHER_SIGNATURES: [u32; 2] = [0x9669_0101, 0xc33c_0101];
