//! The registers of a controller: capability, operational, port and interrupter registers, doorbells (xHCI 1.2, 5).

use bitflags::bitflags;
use switchboard::mmio::{AddressPair, ReadOnly, Reg, RegisterBlock};

/// The capability registers, at the start of BAR 0 (5.3).
#[derive(Debug)]
pub(super) struct Capability;

impl RegisterBlock for Capability {
    const SIZE: u64 = 0x20;
    const ALIGN: u64 = 4;
}

/// Bits 7 to 0: the offset of the operational registers in bytes (5.3.1).
pub(super) const CAPLENGTH: Reg<Capability, u32, ReadOnly> = Reg::at(0x00);
/// Bits 7 to 0: device slots; 18 to 8: interrupters; 31 to 24: ports (5.3.3).
pub(super) const HCSPARAMS1: Reg<Capability, u32, ReadOnly> = Reg::at(0x04);
/// Bits 25 to 21 and 31 to 27: the number of scratchpad buffers, high and low part (5.3.4).
pub(super) const HCSPARAMS2: Reg<Capability, u32, ReadOnly> = Reg::at(0x08);
pub(super) const HCCPARAMS1: Reg<Capability, u32, ReadOnly> = Reg::at(0x10);
/// The offset of the doorbells (5.3.7).
pub(super) const DBOFF: Reg<Capability, u32, ReadOnly> = Reg::at(0x14);
/// The offset of the runtime registers (5.3.8).
pub(super) const RTSOFF: Reg<Capability, u32, ReadOnly> = Reg::at(0x18);

/// The operational registers (5.4).
#[derive(Debug)]
pub(super) struct Operational;

impl RegisterBlock for Operational {
    const SIZE: u64 = 0x3c;
    const ALIGN: u64 = 4;
}

pub(super) const USBCMD: Reg<Operational, u32> = Reg::at(0x00);
pub(super) const USBSTS: Reg<Operational, u32> = Reg::at(0x04);
/// Bit 0: the controller supports pages of 4,096 bytes (5.4.3).
pub(super) const PAGESIZE: Reg<Operational, u32, ReadOnly> = Reg::at(0x08);
/// The address of the command ring; bit 0 is its first cycle state (5.4.5).
pub(super) const CRCR: AddressPair<Operational> = AddressPair::at(0x18).with_flags(1);
/// The low half of the same register, whose address is ignored while the ring runs.
pub(super) const CRCR_CONTROL: Reg<Operational, u32> = Reg::at(0x18);
pub(super) const DCBAAP: AddressPair<Operational> = AddressPair::at(0x30);
pub(super) const CONFIG: Reg<Operational, u32> = Reg::at(0x38);

/// `CRCR`: abort the command that is carried out, and stop the ring.
pub(super) const COMMAND_ABORT: u32 = 1 << 2;

/// The offset of the first port's registers within the operational registers, and the bytes of each port (5.4.8).
pub(super) const PORTS: u64 = 0x400;

/// The registers of one port.
#[derive(Debug)]
pub(super) struct PortRegisters;

impl RegisterBlock for PortRegisters {
    const SIZE: u64 = 0x10;
    const ALIGN: u64 = 4;
}

pub(super) const PORTSC: Reg<PortRegisters, u32> = Reg::at(0x00);

/// The registers of one interrupter (5.5.2). The first is after 32 bytes of other runtime registers.
#[derive(Debug)]
pub(super) struct Interrupter;

impl RegisterBlock for Interrupter {
    const SIZE: u64 = 0x20;
    const ALIGN: u64 = 4;
}

/// The offset of the first interrupter within the runtime registers.
pub(super) const FIRST_INTERRUPTER: u64 = 0x20;
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

/// The doorbells: one for the command ring, then one for each slot (5.6). They are reached by offset.
#[derive(Debug)]
pub(super) struct Doorbells;

impl RegisterBlock for Doorbells {
    const SIZE: u64 = 0x04;
    const ALIGN: u64 = 4;
}

/// The first dwords of an extended capability (7).
#[derive(Debug)]
pub(super) struct Extended;

impl RegisterBlock for Extended {
    const SIZE: u64 = 0x04;
    const ALIGN: u64 = 4;
}

/// Bits 7 to 0: the capability; 15 to 8: the distance to the next in dwords. The rest depends on the capability.
pub(super) const HEADER: Reg<Extended, u32> = Reg::at(0x00);
/// Capabilities: USB legacy support (7.1), and supported protocol (7.2).
pub(super) const LEGACY_SUPPORT: u8 = 1;
pub(super) const SUPPORTED_PROTOCOL: u8 = 2;
/// `USBLEGSUP`, which is the header: the firmware uses the controller, the system wants it.
pub(super) const FIRMWARE_OWNS: u32 = 1 << 16;
pub(super) const SYSTEM_OWNS: u32 = 1 << 24;
/// `USBLEGCTLSTS`: the system management interrupts that are enabled, and those that are pending, cleared by writing ones (7.1.2).
pub(super) const LEGACY_CONTROL: u64 = 4;
pub(super) const SMI_ENABLES: u32 = 0xe011;
pub(super) const SMI_EVENTS: u32 = 0xe000_0000;

bitflags! {
    /// The bits of `HCCPARAMS1` (5.3.6), beside its numbers.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(super) struct Parameters: u32 {
        const ADDRESSES_64BIT = 1 << 0;
        const CONTEXTS_64_BYTES = 1 << 2;
        const PORT_POWER_CONTROL = 1 << 3;
        const _ = !0;
    }

    /// The bits of `USBCMD` (5.4.1).
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(super) struct UsbCommand: u32 {
        const RUN = 1 << 0;
        const RESET = 1 << 1;
        const INTERRUPTS = 1 << 2;
    }

    /// The bits of `USBSTS` (5.4.2). All ones when the controller was removed.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(super) struct UsbStatus: u32 {
        const HALTED = 1 << 0;
        /// An access of the controller to memory failed; it has stopped.
        const HOST_SYSTEM_ERROR = 1 << 2;
        /// An interrupter has a pending interrupt; cleared by writing one.
        const EVENT = 1 << 3;
        const NOT_READY = 1 << 11;
        /// An internal error of the controller; it has to be reset.
        const CONTROLLER_ERROR = 1 << 12;
        const _ = !0;

        const FATAL = Self::HOST_SYSTEM_ERROR.bits() | Self::CONTROLLER_ERROR.bits();
    }

    /// The bits of `PORTSC` (5.4.8), beside link state and speed.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(super) struct PortStatus: u32 {
        const CONNECTED = 1 << 0;
        /// Writing one disables the port.
        const ENABLED = 1 << 1;
        const RESET = 1 << 4;
        const POWER = 1 << 9;
        const CONNECT_CHANGE = 1 << 17;
        const RESET_CHANGE = 1 << 21;
        const WARM_RESET = 1 << 31;
        const _ = !0;

        /// Changes, each cleared by writing one.
        const CHANGES = 0x7f << 17;
        /// What a write has to keep: power, indicators, wake-up events.
        const KEPT = 1 << 9 | 3 << 14 | 7 << 25;
    }
}
