//! The registers of a controller (NVM Express Base Specification 1.4, 3.1).

use bitflags::bitflags;
use switchboard::mmio::{AddressPair, ReadOnly, Reg, RegisterBlock, WriteOnly};

/// The registers that this driver uses, at the beginning of BAR 0.
#[derive(Debug)]
pub(super) struct Registers;

impl RegisterBlock for Registers {
    const SIZE: u64 = 0x40;
}

/// `CAP`, controller capabilities, read as two halves.
pub(super) const CAP_LOW: Reg<Registers, u32, ReadOnly> = Reg::at(0x00);
pub(super) const CAP_HIGH: Reg<Registers, u32, ReadOnly> = Reg::at(0x04);
/// Masks interrupts, a bit for each vector; not with MSI-X.
pub(super) const INTMS: Reg<Registers, u32> = Reg::at(0x0c);
/// Unmasks interrupts; not with MSI-X.
pub(super) const INTMC: Reg<Registers, u32, WriteOnly> = Reg::at(0x10);
pub(super) const CC: Reg<Registers, u32> = Reg::at(0x14);
pub(super) const CSTS: Reg<Registers, u32, ReadOnly> = Reg::at(0x1c);
/// The sizes of the admin queues, less one: submission in the low half, completion in the high half.
pub(super) const AQA: Reg<Registers, u32> = Reg::at(0x24);
pub(super) const ASQ: AddressPair<Registers> = AddressPair::at(0x28);
pub(super) const ACQ: AddressPair<Registers> = AddressPair::at(0x30);

/// The offset of the first doorbell (3.1.24).
pub(super) const DOORBELLS: u64 = 0x1000;

/// One doorbell register.
#[derive(Debug)]
pub(super) struct Doorbell;

impl RegisterBlock for Doorbell {
    const SIZE: u64 = 4;
    const ALIGN: u64 = 4;
}

pub(super) const INDEX: Reg<Doorbell, u32, WriteOnly> = Reg::at(0);

bitflags! {
    /// The bits of `CC`, controller configuration (3.1.5). Command set, page size and arbitration are 0: NVM commands, pages of
    /// 4 KiB, round robin.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(super) struct Configuration: u32 {
        const ENABLE = 1 << 0;
        const SHUTDOWN_NORMAL = 1 << 14;
        /// Submission queue entries of 2^6 bytes.
        const COMMAND_BYTES = 6 << 16;
        /// Completion queue entries of 2^4 bytes.
        const COMPLETION_BYTES = 4 << 20;
    }

    /// The bits of `CSTS`, controller status (3.1.6).
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(super) struct Status: u32 {
        const READY = 1 << 0;
        const FATAL = 1 << 1;
        /// Shutdown status: complete.
        const SHUTDOWN_COMPLETE = 1 << 3;
        const _ = !0;
    }
}

/// The capabilities that the driver uses (3.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Capabilities {
    /// The most entries of an I/O queue.
    pub(super) max_entries: u32,
    /// How long the controller may take to become ready or to stop.
    pub(super) timeout_ns: u64,
    /// Bytes from one doorbell to the next.
    pub(super) doorbell_stride: u64,
    /// The smallest page size, as a power of two of bytes.
    pub(super) min_page_bits: u32,
    /// The controller has the NVM command set.
    pub(super) has_nvm_commands: bool,
}

impl Capabilities {
    pub(super) const fn new(low: u32, high: u32) -> Self {
        Self {
            max_entries: (low & 0xffff) + 1,
            // In units of 500 ms; at least one, for controllers that report none.
            timeout_ns: (((low >> 24) + 1) as u64) * 500_000_000,
            doorbell_stride: 4 << (high & 0xf),
            min_page_bits: 12 + (high >> 16 & 0xf),
            has_nvm_commands: high >> 5 & 1 != 0,
        }
    }
}
