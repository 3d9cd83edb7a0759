//! The registers that the families share, named as in Intel's PCI/PCI-X Family of Gigabit Ethernet Controllers Software
//! Developer's Manual (317453), chapter 13. A driver adds those that only its family has.

use bitflags::bitflags;
use switchboard::mmio::{AddressPair, ReadOnly, Reg, RegisterBlock, WriteOnly};

/// The registers that the drivers use, in the first part of BAR 0, which has 128 KiB.
#[derive(Debug)]
pub(crate) struct Registers;

impl RegisterBlock for Registers {
    const SIZE: u64 = 0x6000;
}

pub(crate) const CTRL: Reg<Registers, u32> = Reg::at(0x0000);
pub(crate) const STATUS: Reg<Registers, u32, ReadOnly> = Reg::at(0x0008);
pub(crate) const EERD: Reg<Registers, u32> = Reg::at(0x0014);
/// The pending interrupt causes. Reading clears it.
pub(crate) const ICR: Reg<Registers, u32, ReadOnly> = Reg::at(0x00c0);
pub(crate) const ITR: Reg<Registers, u32> = Reg::at(0x00c4);
pub(crate) const IMS: Reg<Registers, u32, WriteOnly> = Reg::at(0x00d0);
/// The same register: the sources that are unmasked.
pub(crate) const UNMASKED: Reg<Registers, u32, ReadOnly> = Reg::at(0x00d0);
pub(crate) const IMC: Reg<Registers, u32, WriteOnly> = Reg::at(0x00d8);
pub(crate) const RCTL: Reg<Registers, u32> = Reg::at(0x0100);
pub(crate) const TCTL: Reg<Registers, u32> = Reg::at(0x0400);
pub(crate) const TIPG: Reg<Registers, u32> = Reg::at(0x0410);
pub(crate) const RDTR: Reg<Registers, u32> = Reg::at(0x2820);
/// Frames with a wrong CRC. Reading clears the statistics registers (13.7).
pub(crate) const CRCERRS: Reg<Registers, u32, ReadOnly> = Reg::at(0x4000);
/// Frames for which there was no room.
pub(crate) const MPC: Reg<Registers, u32, ReadOnly> = Reg::at(0x4010);
/// `TDBAL` and `TDBAH`.
pub(crate) const TDBA: AddressPair<Registers> = AddressPair::at(0x3800);
pub(crate) const TDLEN: Reg<Registers, u32> = Reg::at(0x3808);
pub(crate) const TDH: Reg<Registers, u32> = Reg::at(0x3810);
pub(crate) const TDT: Reg<Registers, u32> = Reg::at(0x3818);
pub(crate) const RAL0: Reg<Registers, u32> = Reg::at(0x5400);
pub(crate) const RAH0: Reg<Registers, u32> = Reg::at(0x5404);

/// The registers of a receive ring. The 8254x has one, later cards have more, 0x100 bytes apart.
#[derive(Debug)]
pub(crate) struct RxRingRegisters {
    /// `RDBAL` and `RDBAH`.
    pub(crate) rdba: AddressPair<Registers>,
    pub(crate) rdlen: Reg<Registers, u32>,
    pub(crate) rdh: Reg<Registers, u32>,
    pub(crate) rdt: Reg<Registers, u32>,
}

impl RxRingRegisters {
    const fn number(ring: u64) -> Self {
        let base = 0x2800 + 0x100 * ring;
        Self { rdba: AddressPair::at(base), rdlen: Reg::at(base + 8), rdh: Reg::at(base + 16), rdt: Reg::at(base + 24) }
    }
}

/// The registers of the receive rings, by their numbers.
pub(crate) static RX_RINGS: [RxRingRegisters; 2] = [RxRingRegisters::number(0), RxRingRegisters::number(1)];

/// The multicast table: 128 words.
pub(crate) const MTA: core::ops::Range<u64> = 0x5200..0x5400;

/// `RAH0`: the address in this pair of registers is valid.
pub(crate) const RAH_VALID: u32 = 1 << 31;
/// `STATUS`: the link is up.
pub(crate) const STATUS_LINK_UP: u32 = 1 << 1;
/// `STATUS`: the bus is in PCI-X mode.
pub(crate) const STATUS_PCIX: u32 = 1 << 13;
/// `TIPG`: the inter-frame gaps of IEEE 802.3 for copper, 10, 8 and 6 (13.4.34).
pub(crate) const TIPG_COPPER: u32 = 10 | 8 << 10 | 6 << 20;

/// `EERD`: starts a read of the word whose number is in bits 15 to 8.
pub(crate) const EERD_START: u32 = 1;
/// `EERD`: the read is done, and bits 31 to 16 are the word.
pub(crate) const EERD_DONE: u32 = 1 << 4;

bitflags! {
    /// The bits of `CTRL` (13.4.1).
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(crate) struct Control: u32 {
        const LINK_RESET = 1 << 3;
        const AUTO_SPEED = 1 << 5;
        const SET_LINK_UP = 1 << 6;
        const INVERT_LOSS_OF_SIGNAL = 1 << 7;
        const RESET = 1 << 26;
        const PHY_RESET = 1 << 31;
    }

    /// The interrupt causes: the bits of `ICR`, `IMS` and `IMC` (13.4.17).
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(crate) struct Causes: u32 {
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
    pub(crate) struct Receive: u32 {
        const ENABLE = 1 << 1;
        const ALL_MULTICAST = 1 << 4;
        const BROADCAST = 1 << 15;
        const STRIP_CRC = 1 << 26;
    }

    /// The bits of `TCTL` (13.4.33).
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(crate) struct Transmit: u32 {
        const ENABLE = 1 << 1;
        const PAD_SHORT = 1 << 3;
        /// 15 attempts.
        const COLLISION_THRESHOLD = 0x0f << 4;
        /// 64 byte times, for full duplex.
        const COLLISION_DISTANCE = 0x40 << 12;
    }
}
