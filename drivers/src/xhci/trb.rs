//! Transfer request blocks: the entries of all rings (xHCI 1.2, 4.11 and 6.4).

use switchboard::dma::BusAddress;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// The bytes of a TRB.
pub(super) const TRB_BYTES: usize = 16;

/// A TRB with a number or immediate data, as rings keep it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(super) struct Trb {
    pub(super) parameter: u64,
    pub(super) status: u32,
    pub(super) control: u32,
}

/// The same with the address of memory.
#[derive(Debug, Clone, Copy, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(super) struct AddressTrb {
    pub(super) address: BusAddress,
    pub(super) status: u32,
    pub(super) control: u32,
}

const _: () = assert!(size_of::<Trb>() == TRB_BYTES && size_of::<AddressTrb>() == TRB_BYTES);

/// A TRB to be put into a ring, without its cycle bit.
#[derive(Debug, Clone, Copy)]
pub(super) enum Entry {
    Plain(Trb),
    Address(AddressTrb),
}

impl Entry {
    pub(super) const fn plain(trb_type: TrbType, parameter: u64, status: u32, flags: u32) -> Self {
        Self::Plain(Trb { parameter, status, control: trb_type.control() | flags })
    }

    pub(super) const fn address(trb_type: TrbType, address: BusAddress, status: u32, flags: u32) -> Self {
        Self::Address(AddressTrb { address, status, control: trb_type.control() | flags })
    }

    /// Returns a command for a slot.
    pub(super) const fn command(trb_type: TrbType, slot: u8) -> Self {
        Self::plain(trb_type, 0, 0, (slot as u32) << 24)
    }

    /// Returns a command for an endpoint of a slot.
    pub(super) const fn endpoint_command(trb_type: TrbType, slot: u8, endpoint: u8) -> Self {
        Self::plain(trb_type, 0, 0, (slot as u32) << 24 | (endpoint as u32) << 16)
    }

    /// Returns the number of bytes that a transfer TRB moves.
    pub(super) const fn length(&self) -> u32 {
        let (Self::Plain(Trb { status, .. }) | Self::Address(AddressTrb { status, .. })) = self;
        *status & 0x1_ffff
    }
}

/// `control`: the cycle bit. Compared with the ring's cycle state, it decides whether driver or controller owns the TRB.
pub(super) const CYCLE: u32 = 1 << 0;
/// `control` of a link: the cycle state toggles here.
pub(super) const TOGGLE: u32 = 1 << 1;
/// `control` of a transfer: an event for a short packet, the next TRB belongs to the same transfer, an event at the end, the
/// parameter is the data.
pub(super) const EVENT_IF_SHORT: u32 = 1 << 2;
pub(super) const CHAIN: u32 = 1 << 4;
pub(super) const EVENT_AT_END: u32 = 1 << 5;
pub(super) const IMMEDIATE: u32 = 1 << 6;
/// `control` of a data or status stage: the direction is from the device.
pub(super) const FROM_DEVICE: u32 = 1 << 16;
/// `control` of a setup stage: the kind of the data stage (6.4.1.2.1).
pub(super) const DATA_OUT: u32 = 2 << 16;
pub(super) const DATA_IN: u32 = 3 << 16;

/// The TRB types that this driver uses (6.4.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TrbType {
    Normal = 1,
    SetupStage = 2,
    DataStage = 3,
    StatusStage = 4,
    Link = 6,
    EnableSlot = 9,
    DisableSlot = 10,
    AddressDevice = 11,
    ConfigureEndpoint = 12,
    EvaluateContext = 13,
    ResetEndpoint = 14,
    StopEndpoint = 15,
    SetTrDequeue = 16,
}

impl TrbType {
    pub(super) const fn control(self) -> u32 {
        (self as u32) << 10
    }
}

/// What the controller reports by the event ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    Transfer {
        slot: u8,
        endpoint: u8,
        pointer: u64,
        code: Code,
        residual: u32,
    },
    Command {
        pointer: u64,
        code: Code,
        slot: u8,
    },
    Port(u8),
    Controller(Code),
    /// Nothing that the driver needs.
    Other,
}

impl Event {
    /// Reads a TRB of the event ring (6.4.2).
    pub(super) fn parse(trb: Trb) -> Self {
        let [.., endpoint, slot] = trb.control.to_le_bytes();
        let (code, pointer) = (Code::of(trb.status), trb.parameter);
        match trb.control >> 10 & 0x3f {
            32 => Self::Transfer { slot, endpoint: endpoint & 0x1f, pointer, code, residual: trb.status & 0xff_ffff },
            33 => Self::Command { pointer, code, slot },
            34 => Self::Port(pointer.to_le_bytes()[3]),
            37 => Self::Controller(code),
            _ => Self::Other,
        }
    }
}

/// A completion code (6.4.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Code(u8);

impl Code {
    pub(super) const SUCCESS: Self = Self(1);
    pub(super) const STALL: Self = Self(6);
    pub(super) const NO_SLOTS: Self = Self(9);
    pub(super) const SHORT_PACKET: Self = Self(13);
    pub(super) const RING_UNDERRUN: Self = Self(14);
    pub(super) const RING_OVERRUN: Self = Self(15);
    pub(super) const CONTEXT_STATE: Self = Self(19);
    pub(super) const COMMAND_RING_STOPPED: Self = Self(24);
    pub(super) const STOPPED: Self = Self(26);
    pub(super) const STOPPED_SHORT: Self = Self(28);

    pub(super) const fn of(status: u32) -> Self {
        Self((status >> 24) as u8)
    }

    pub(super) const fn get(self) -> u8 {
        self.0
    }

    /// Returns whether the event is no end of a transfer: the endpoint was stopped, or has none.
    pub(super) const fn is_stop(self) -> bool {
        self.0 == Self::RING_UNDERRUN.0
            || self.0 == Self::RING_OVERRUN.0
            || self.0 >= Self::STOPPED.0 && self.0 <= Self::STOPPED_SHORT.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_read_by_their_type() {
        let trb = |parameter, status, control| Event::parse(Trb { parameter, status, control });
        let transfer = Event::Transfer { slot: 3, endpoint: 4, pointer: 0x1000, code: Code::SHORT_PACKET, residual: 7 };
        assert_eq!(trb(0x1000, 13 << 24 | 7, 3 << 24 | 4 << 16 | 32 << 10 | 1), transfer);
        let command = Event::Command { pointer: 0x2010, code: Code::SUCCESS, slot: 5 };
        assert_eq!(trb(0x2010, 1 << 24, 5 << 24 | 33 << 10), command);
        assert_eq!(trb(9 << 24, 1 << 24, 34 << 10 | 1), Event::Port(9));
        assert_eq!(trb(0, 21 << 24, 37 << 10), Event::Controller(Code(21)));
        assert_eq!(trb(0, 0, 0), Event::Other);
    }
}
