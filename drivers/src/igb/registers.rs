//! The registers that the 82576 has beside the common ones, named as in its datasheet (8).

use switchboard::mmio::{ReadOnly, Reg, WriteOnly};

use crate::intel::registers::Registers;

/// Access to the registers of the PHY (8.2.4).
pub(super) const MDIC: Reg<Registers, u32> = Reg::at(0x0020);
/// How interrupts work (8.8.15).
pub(super) const GPIE: Reg<Registers, u32> = Reg::at(0x1514);
/// Unmasks and masks messages, by MSI-X: a bit for each entry (8.8.4).
pub(super) const EIMS: Reg<Registers, u32, WriteOnly> = Reg::at(0x1524);
/// The same register as `EIMS`: the messages that are unmasked.
pub(super) const UNMASKED: Reg<Registers, u32, ReadOnly> = Reg::at(0x1524);
pub(super) const EIMC: Reg<Registers, u32, WriteOnly> = Reg::at(0x1528);
/// The messages whose causes are cleared, and that are masked, when they are sent (8.8.6).
pub(super) const EIAC: Reg<Registers, u32> = Reg::at(0x152c);
pub(super) const EIAM: Reg<Registers, u32> = Reg::at(0x1530);
/// The entries of the receive and the transmit ring, a byte for each (8.8.13).
pub(super) const IVAR0: Reg<Registers, u32> = Reg::at(0x1700);
/// The entries of the timer and of all other causes (8.8.14).
pub(super) const IVAR_MISC: Reg<Registers, u32> = Reg::at(0x1740);
/// The format and the size of receive buffers (8.10.2).
pub(super) const SRRCTL: Reg<Registers, u32> = Reg::at(0x280c);
pub(super) const RXDCTL: Reg<Registers, u32> = Reg::at(0x2828);
pub(super) const TXDCTL: Reg<Registers, u32> = Reg::at(0x3828);

/// `MDIC`: writes to the control register of the PHY (IEEE 802.3, 22.2.4.1) to negotiate the speed, and its end.
pub(super) const MDIC_NEGOTIATE: u32 = 1 << 26 | 1 << 21 | 1 << 12 | 1 << 9;
pub(super) const MDIC_READY: u32 = 1 << 28;
/// `GPIE`: MSI-X with messages for rings, masked when they are sent; `ICR` is cleared by reading it.
pub(super) const GPIE_MESSAGES: u32 = 1 << 4 | 1 << 30 | 1 << 31;
pub(super) const GPIE_READ_CLEARS: u32 = 1 << 0;
/// `IVAR0`, `IVAR_MISC`: the entry in this byte is valid.
pub(super) const IVAR_VALID: u32 = 1 << 7;
/// `SRRCTL`: advanced descriptors with one buffer, of 2 KiB.
pub(super) const SRRCTL_ADVANCED: u32 = 1 << 25 | 2;
/// `RXDCTL`, `TXDCTL`: the ring is enabled, and each descriptor is written back at once.
pub(super) const RING_ENABLED: u32 = 1 << 25;
pub(super) const RING_WRITE_BACK: u32 = 1 << 16;
