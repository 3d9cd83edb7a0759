//! The registers of an xHCI controller (xHCI 1.1, chapter 5), in four blocks.

use bitflags::bitflags;
use switchboard::mmio::{AddressPair, ReadOnly, Reg, RegisterBlock, WriteOnly};

/// Capability registers, at the start of BAR 0.
#[derive(Debug)]
pub(super) struct Capability;

impl RegisterBlock for Capability {
    const SIZE: u64 = 0x20;
}

/// Bits 7 to 0: the offset of the operational registers in bytes (5.3.1).
pub(super) const CAPLENGTH: Reg<Capability, u32, ReadOnly> = Reg::at(0x00);
/// Bits 18 to 8: the number of interrupters (5.3.3).
pub(super) const HCSPARAMS1: Reg<Capability, u32, ReadOnly> = Reg::at(0x04);
/// Bits 25 to 21 and 31 to 27: the number of scratchpad buffers, high and low part (5.3.4).
pub(super) const HCSPARAMS2: Reg<Capability, u32, ReadOnly> = Reg::at(0x08);
/// The offset of the doorbells (5.3.7).
pub(super) const DBOFF: Reg<Capability, u32, ReadOnly> = Reg::at(0x14);
/// The offset of the runtime registers (5.3.8).
pub(super) const RTSOFF: Reg<Capability, u32, ReadOnly> = Reg::at(0x18);

/// Operational registers.
#[derive(Debug)]
pub(super) struct Operational;

impl RegisterBlock for Operational {
    const SIZE: u64 = 0x3c;
}

pub(super) const USBCMD: Reg<Operational, u32> = Reg::at(0x00);
pub(super) const USBSTS: Reg<Operational, u32> = Reg::at(0x04);
/// Bit 0: the controller supports pages of 4,096 bytes (5.4.3).
pub(super) const PAGESIZE: Reg<Operational, u32, ReadOnly> = Reg::at(0x08);
/// The address of the command ring; bit 0 is its first cycle state (5.4.5).
pub(super) const CRCR: AddressPair<Operational> = AddressPair::at(0x18).with_flags(1);
pub(super) const DCBAAP: AddressPair<Operational> = AddressPair::at(0x30);
pub(super) const CONFIG: Reg<Operational, u32> = Reg::at(0x38);

bitflags! {
    /// `USBCMD`, 5.4.1.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(super) struct UsbCommand: u32 {
        const RUN = 1 << 0;
        const RESET = 1 << 1;
        const INTERRUPTS = 1 << 2;
    }

    /// `USBSTS`, 5.4.2. All ones when the controller was removed.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(super) struct UsbStatus: u32 {
        const HALTED = 1 << 0;
        /// An interrupter has a pending interrupt; cleared by writing one.
        const EVENT = 1 << 3;
        const NOT_READY = 1 << 11;
    }
}

/// The registers of one interrupter (5.5.2). Each has 32 bytes, after 32 bytes of other runtime registers.
#[derive(Debug)]
pub(super) struct Interrupter;

impl RegisterBlock for Interrupter {
    const SIZE: u64 = 0x20;
}

impl Interrupter {
    /// Returns the offset of an interrupter within the runtime registers.
    pub(super) const fn offset(index: usize) -> u64 {
        0x20 + Self::SIZE * index as u64
    }
}

pub(super) const IMAN: Reg<Interrupter, u32> = Reg::at(0x00);
pub(super) const IMOD: Reg<Interrupter, u32> = Reg::at(0x04);
pub(super) const ERSTSZ: Reg<Interrupter, u32> = Reg::at(0x08);
pub(super) const ERSTBA: AddressPair<Interrupter> = AddressPair::at(0x10);
/// The dequeue pointer of the event ring (5.5.2.3.3). Bit 3 is Event Handler Busy: no event interrupts until it is cleared,
/// by writing one. The write of the low half takes effect, so it is last.
pub(super) const ERDP: AddressPair<Interrupter> = AddressPair::at(0x18).with_flags(1 << 3).high_first();

/// `IMAN`: an interrupt is pending; cleared by writing one.
pub(super) const PENDING: u32 = 1;
/// `IMAN`: the interrupter is enabled.
pub(super) const ENABLE: u32 = 2;

/// The doorbells, of which only that of the command ring is used, the first one (5.6).
#[derive(Debug)]
pub(super) struct Doorbells;

impl RegisterBlock for Doorbells {
    const SIZE: u64 = 0x04;
}

pub(super) const COMMAND_DOORBELL: Reg<Doorbells, u32, WriteOnly> = Reg::at(0x00);
