//! The registers that the 82574 has beside the common ones, named as in its datasheet (10.2).

use core::ops::Range;

use switchboard::mmio::{Reg, WriteOnly};

use crate::intel::registers::Registers;

/// The pending causes, to clear them by writing ones. By MSI-X, reading need not clear them (10.2.4.1).
pub(super) const ICR_CLEAR: Reg<Registers, u32, WriteOnly> = Reg::at(0x00c0);
/// The causes that are cleared when their message is sent (10.2.4.8). QEMU masks them, too.
pub(super) const EIAC: Reg<Registers, u32> = Reg::at(0x00dc);
/// The MSI-X entry of each cause: four bits for each, the highest of them "valid" (10.2.4.10).
pub(super) const IVAR: Reg<Registers, u32> = Reg::at(0x00e4);
/// The throttles of the five messages, in units of 256 ns (10.2.4.9).
pub(super) const EITR: Range<u64> = 0x00e8..0x00fc;
/// How many transmit descriptors are fetched and written back together (10.2.6.10).
pub(super) const TXDCTL: Reg<Registers, u32> = Reg::at(0x3828);
pub(super) const RXCSUM: Reg<Registers, u32> = Reg::at(0x5000);
pub(super) const RFCTL: Reg<Registers, u32> = Reg::at(0x5008);
/// Receive side scaling: on or off, and what is hashed (10.2.5.17).
pub(super) const MRQC: Reg<Registers, u32> = Reg::at(0x5818);
/// The ring of each hash, a byte for each (10.2.5.18).
pub(super) const RETA: Range<u64> = 0x5c00..0x5c80;
/// The key of the hash: 40 bytes (10.2.5.19).
pub(super) const RSSRK: Range<u64> = 0x5c80..0x5ca8;

/// `CTRL`: no more requests of the card on the bus.
pub(super) const CTRL_MASTER_DISABLE: u32 = 1 << 2;
/// `STATUS`: there are still such requests.
pub(super) const STATUS_MASTER_ENABLED: u32 = 1 << 19;
/// `RFCTL`: extended receive descriptors.
pub(super) const RFCTL_EXTENDED: u32 = 1 << 15;
/// `RXCSUM`: the hash in receive descriptors, in the place of a checksum, which scaling needs.
pub(super) const RXCSUM_HASH: u32 = 1 << 13;
/// `MRQC`: two rings by receive side scaling, with hashes of TCP over IPv4 and of other packets over IPv4 and IPv6.
pub(super) const MRQC_SCALING: u32 = 1 | 0b1_1111 << 16;
/// `RETA`: the bit of a byte that selects ring 1.
pub(super) const RETA_RING_1: u8 = 1 << 7;
/// `TXDCTL`: thresholds in descriptors rather than cache lines; a bit that is always 1; one descriptor is written back at once.
pub(super) const TXDCTL_WRITE_BACK: u32 = 1 << 24 | 1 << 22 | 1 << 16;
