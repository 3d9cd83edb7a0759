//! The registers of the RTL8139C+, named as in Realtek's datasheet (1.6, section 5), or else as in Linux.

use bitflags::bitflags;
use switchboard::mmio::{AddressPair, ReadOnly, Reg, RegisterBlock, WriteOnly};

/// All registers, in BAR 1.
#[derive(Debug)]
pub(super) struct Registers;

impl RegisterBlock for Registers {
    const SIZE: u64 = 0x100;
}

/// The Ethernet address, which the card reads from its EEPROM.
pub(super) const IDR0: Reg<Registers, u32, ReadOnly> = Reg::at(0x00);
pub(super) const IDR4: Reg<Registers, u32, ReadOnly> = Reg::at(0x04);
/// The multicast table.
pub(super) const MAR0: Reg<Registers, u32> = Reg::at(0x08);
pub(super) const MAR4: Reg<Registers, u32> = Reg::at(0x0c);
/// The transmit ring of normal priority.
pub(super) const TNPDS: AddressPair<Registers> = AddressPair::at(0x20);
pub(super) const CR: Reg<Registers, u8> = Reg::at(0x37);
pub(super) const IMR: Reg<Registers, u16> = Reg::at(0x3c);
/// The pending causes. Writing ones clears them.
pub(super) const ISR: Reg<Registers, u16> = Reg::at(0x3e);
pub(super) const TCR: Reg<Registers, u32> = Reg::at(0x40);
pub(super) const RCR: Reg<Registers, u32> = Reg::at(0x44);
/// Media status.
pub(super) const MSR: Reg<Registers, u8, ReadOnly> = Reg::at(0x58);
/// Starts the transmitter on a ring.
pub(super) const TPPOLL: Reg<Registers, u8, WriteOnly> = Reg::at(0xd9);
/// The C+ command register.
pub(super) const CPCR: Reg<Registers, u16> = Reg::at(0xe0);
/// The receive ring.
pub(super) const RDSAR: AddressPair<Registers> = AddressPair::at(0xe4);

/// `CR`: transmitter and receiver on, and reset.
pub(super) const CR_TRANSMITTER: u8 = 1 << 2;
pub(super) const CR_RECEIVER: u8 = 1 << 3;
pub(super) const CR_RESET: u8 = 1 << 4;
/// `MSR`: the link is down.
pub(super) const MSR_LINK_DOWN: u8 = 1 << 2;
/// `TPPOLL`: the ring of normal priority.
pub(super) const TPPOLL_NORMAL: u8 = 1 << 6;
/// `CPCR`: rings of descriptors for both directions, transfers of several cache lines, and addresses of 64 bits.
pub(super) const CPCR_RINGS: u16 = 1 << 0 | 1 << 1 | 1 << 3 | 1 << 4;
/// `TCR`: the gap of IEEE 802.3 between frames, and bursts of 1,024 bytes.
pub(super) const TCR_STANDARD: u32 = 3 << 24 | 6 << 8;
/// `RCR`: frames to the card's own address, multicast and broadcast frames; no threshold; bursts of 1,024 bytes.
pub(super) const RCR_FILTER: u32 = 1 << 1 | 1 << 2 | 1 << 3 | 7 << 13 | 6 << 8;

bitflags! {
    /// The interrupt causes: the bits of `ISR` and `IMR`.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(super) struct Causes: u16 {
        const RECEIVED = 1 << 0;
        const RECEIVE_ERROR = 1 << 1;
        const TRANSMITTED = 1 << 2;
        const TRANSMIT_ERROR = 1 << 3;
        /// No descriptor was free for a frame.
        const NO_DESCRIPTOR = 1 << 4;
        const LINK = 1 << 5;
        const FIFO_OVERFLOW = 1 << 6;
        const OVERRUN = Self::NO_DESCRIPTOR.bits() | Self::FIFO_OVERFLOW.bits();
        const RECEIVE = Self::RECEIVED.bits() | Self::RECEIVE_ERROR.bits() | Self::OVERRUN.bits();
        const TRANSMIT = Self::TRANSMITTED.bits() | Self::TRANSMIT_ERROR.bits();
    }
}
