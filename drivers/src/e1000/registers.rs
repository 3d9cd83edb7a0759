//! The registers of the 8254x, named as in Intel's PCI/PCI-X Family of Gigabit Ethernet Controllers Software
//! Developer's Manual (317453), chapter 13.

use bitflags::bitflags;
use switchboard::mmio::{AddressPair, ReadOnly, Reg, RegisterBlock, WriteOnly};

/// The registers that this driver uses, in the first part of BAR 0, which has 128 KiB.
#[derive(Debug)]
pub(super) struct Registers;

impl RegisterBlock for Registers {
    const SIZE: u64 = 0x6000;
}

pub(super) const CTRL: Reg<Registers, u32> = Reg::at(0x0000);
pub(super) const STATUS: Reg<Registers, u32, ReadOnly> = Reg::at(0x0008);
pub(super) const EERD: Reg<Registers, u32> = Reg::at(0x0014);
/// The pending interrupt causes. Reading clears it.
pub(super) const ICR: Reg<Registers, u32, ReadOnly> = Reg::at(0x00c0);
pub(super) const ITR: Reg<Registers, u32> = Reg::at(0x00c4);
pub(super) const IMS: Reg<Registers, u32, WriteOnly> = Reg::at(0x00d0);
pub(super) const IMC: Reg<Registers, u32, WriteOnly> = Reg::at(0x00d8);
pub(super) const RCTL: Reg<Registers, u32> = Reg::at(0x0100);
pub(super) const TCTL: Reg<Registers, u32> = Reg::at(0x0400);
pub(super) const TIPG: Reg<Registers, u32> = Reg::at(0x0410);
/// `RDBAL` and `RDBAH`.
pub(super) const RDBA: AddressPair<Registers> = AddressPair::at(0x2800);
/// Frames with a wrong CRC. Reading clears the statistics registers (13.7).
pub(super) const CRCERRS: Reg<Registers, u32, ReadOnly> = Reg::at(0x4000);
/// Frames for which there was no room.
pub(super) const MPC: Reg<Registers, u32, ReadOnly> = Reg::at(0x4010);
pub(super) const RDLEN: Reg<Registers, u32> = Reg::at(0x2808);
pub(super) const RDH: Reg<Registers, u32> = Reg::at(0x2810);
pub(super) const RDT: Reg<Registers, u32> = Reg::at(0x2818);
pub(super) const RDTR: Reg<Registers, u32> = Reg::at(0x2820);
/// `TDBAL` and `TDBAH`.
pub(super) const TDBA: AddressPair<Registers> = AddressPair::at(0x3800);
pub(super) const TDLEN: Reg<Registers, u32> = Reg::at(0x3808);
pub(super) const TDH: Reg<Registers, u32> = Reg::at(0x3810);
pub(super) const TDT: Reg<Registers, u32> = Reg::at(0x3818);
pub(super) const RAL0: Reg<Registers, u32> = Reg::at(0x5400);
pub(super) const RAH0: Reg<Registers, u32> = Reg::at(0x5404);

/// The multicast table: 128 words.
pub(super) const MTA: core::ops::Range<u64> = 0x5200..0x5400;

/// `RAH0`: the address in this pair of registers is valid.
pub(super) const RAH_VALID: u32 = 1 << 31;
/// `STATUS`: the link is up.
pub(super) const STATUS_LINK_UP: u32 = 1 << 1;
/// `TIPG`: the inter-frame gaps of IEEE 802.3 for copper, 10, 8 and 6 (13.4.34).
pub(super) const TIPG_COPPER: u32 = 10 | 8 << 10 | 6 << 20;

/// `EERD`: starts a read of the word whose number is in bits 15 to 8.
pub(super) const EERD_START: u32 = 1;
/// `EERD`: the read is done, and bits 31 to 16 are the word.
pub(super) const EERD_DONE: u32 = 1 << 4;

bitflags! {
    /// The bits of `CTRL` (13.4.1).
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(super) struct Control: u32 {
        const LINK_RESET = 1 << 3;
        const AUTO_SPEED = 1 << 5;
        const SET_LINK_UP = 1 << 6;
        const INVERT_LOSS_OF_SIGNAL = 1 << 7;
        const RESET = 1 << 26;
        const PHY_RESET = 1 << 31;
    }

    /// The interrupt causes: the bits of `ICR`, `IMS` and `IMC` (13.4.17).
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(super) struct Causes: u32 {
        /// A transmit descriptor with the report bit was written back.
        const TRANSMITTED = 1 << 0;
        /// The link went up or down.
        const LINK = 1 << 2;
        /// A frame was lost for want of a descriptor or of room in the card.
        const OVERRUN = 1 << 6;
        /// A frame was received.
        const RECEIVED = 1 << 7;
    }

    /// The bits of `RCTL` (13.4.22). Its buffer size field is 0 for 2,048 bytes.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(super) struct Receive: u32 {
        const ENABLE = 1 << 1;
        const ALL_MULTICAST = 1 << 4;
        const BROADCAST = 1 << 15;
        const STRIP_CRC = 1 << 26;
    }

    /// The bits of `TCTL` (13.4.33).
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(super) struct Transmit: u32 {
        const ENABLE = 1 << 1;
        const PAD_SHORT = 1 << 3;
        /// 15 attempts.
        const COLLISION_THRESHOLD = 0x0f << 4;
        /// 64 byte times, for full duplex.
        const COLLISION_DISTANCE = 0x40 << 12;
    }
}
