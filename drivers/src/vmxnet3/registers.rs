//! The registers and commands of vmxnet3, named as in VMware's open headers (Linux: `vmxnet3_defs.h`, `upt1_defs.h`).

use switchboard::mmio::{AddressPair, ReadOnly, Reg, RegisterBlock, WriteOnly};

/// BAR 0: doorbells, and the masks of interrupts.
#[derive(Debug)]
pub(super) struct Doorbells;

impl RegisterBlock for Doorbells {
    const SIZE: u64 = 0x1000;
}

/// The masks of the interrupts, 8 bytes apart: 1 masks.
pub(super) const IMR: [Reg<Doorbells, u32, WriteOnly>; 3] = [Reg::at(0x000), Reg::at(0x008), Reg::at(0x010)];
/// The next transmit descriptor of queue 0 that the driver has not written.
pub(super) const TXPROD: Reg<Doorbells, u32, WriteOnly> = Reg::at(0x600);
/// The same of the first receive ring of queue 0.
pub(super) const RXPROD: Reg<Doorbells, u32, WriteOnly> = Reg::at(0x800);

/// BAR 1: configuration.
#[derive(Debug)]
pub(super) struct Registers;

impl RegisterBlock for Registers {
    const SIZE: u64 = 0x1000;
}

/// The revisions of the device and of its pass-through interface: a bit for each. Writing selects one.
pub(super) const VRRS: Reg<Registers, u32> = Reg::at(0x00);
pub(super) const UVRS: Reg<Registers, u32> = Reg::at(0x08);
/// `DSAL` and `DSAH`, the address of the shared structure, which the high half completes.
pub(super) const DSA: AddressPair<Registers> = AddressPair::apart(0x10, 0x18);
/// A command; reading returns its result.
pub(super) const CMD: Reg<Registers, u32> = Reg::at(0x20);
/// The Ethernet address.
pub(super) const MACL: Reg<Registers, u32> = Reg::at(0x28);
pub(super) const MACH: Reg<Registers, u32> = Reg::at(0x30);
/// Whether the line is asserted. Reading clears it.
pub(super) const ICR: Reg<Registers, u32, ReadOnly> = Reg::at(0x38);
/// Events: writing ones clears them.
pub(super) const ECR: Reg<Registers, u32, WriteOnly> = Reg::at(0x40);

pub(super) const ACTIVATE: u32 = 0xcafe_0000;
pub(super) const QUIESCE: u32 = 0xcafe_0001;
pub(super) const RESET: u32 = 0xcafe_0002;
pub(super) const UPDATE_RX_MODE: u32 = 0xcafe_0003;
/// Its result: bit 0, the link is up.
pub(super) const GET_LINK: u32 = 0xf00d_0002;

/// `ECR`: a receive or a transmit queue has stopped with an error.
pub(super) const EVENT_QUEUE_ERROR: u32 = 1 << 0 | 1 << 1;
/// `ECR`: the link went up or down.
pub(super) const EVENT_LINK: u32 = 1 << 2;
