//! Three devices that interrupt without end, each by means of its own.

use switchboard::driver::{Driver, Id, ProbeError};
use switchboard::interrupt::MessageSet;
use switchboard::mmio::{Bar, ReadOnly, Reg, RegisterBlock, WriteOnly};
use switchboard_drivers::edu::{Edu, EduMessage};

use super::device_under_test::{Parts, Weapon};
use crate::e1000e::{E1000e, E1000eMessage};
use crate::edu::{self, ACKNOWLEDGE, CAUSES, FACTORIAL, INTERRUPT_WHEN_COMPUTED, RAISE, RAISED, STATUS};
use crate::ivshmem::{Ivshmem, SharedMemory, VECTORS, Vector, place};

/// edu: a factorial is computed beside the CPU and interrupts when it is done, and the handler asks for the next one.
/// The level, or the message, comes at any instruction of the CPU's.
pub(super) struct EduFactorials {
    registers: Bar<edu::Registers>,
}

impl Weapon<1> for EduFactorials {
    const NAME: &'static str = Edu::NAME;
    const MATCHES: &'static [Id] = Edu::MATCHES;
    type Message = EduMessage;

    fn new(parts: Parts) -> Result<Self, ProbeError> {
        Ok(Self { registers: parts.bar0.map()? })
    }

    fn start(&self, _entry: impl Fn(EduMessage) -> Option<u16>) {
        self.registers.write(&STATUS, INTERRUPT_WHEN_COMPUTED);
        self.registers.write(&FACTORIAL, 1);
    }

    fn fire(&self) {
        self.registers.write(&RAISE, RAISED);
    }

    fn answer(&self) -> bool {
        if matches!(self.registers.read(&CAUSES), 0 | u32::MAX) {
            return false;
        }
        self.registers.write(&ACKNOWLEDGE, u32::MAX);
        self.registers.write(&FACTORIAL, 1);
        true
    }

    fn cease(&self) {
        self.registers.write(&STATUS, 0);
        self.registers.write(&ACKNOWLEDGE, u32::MAX);
    }
}

/// e1000e: the handler sets the causes again that it has cleared. The card holds them apart by a timer of its own, so
/// they come while other code runs.
pub(super) struct E1000eCauses {
    registers: Bar<E1000eRegisters>,
}

#[derive(Debug)]
pub(super) struct E1000eRegisters;

impl RegisterBlock for E1000eRegisters {
    const SIZE: u64 = 0x6000;
}

pub(super) const CTRL: Reg<E1000eRegisters, u32> = Reg::at(0x00);
pub(super) const ICR: Reg<E1000eRegisters, u32> = Reg::at(0xc0);
pub(super) const ICS: Reg<E1000eRegisters, u32, WriteOnly> = Reg::at(0xc8);
pub(super) const IMS: Reg<E1000eRegisters, u32, WriteOnly> = Reg::at(0xd0);
pub(super) const IMC: Reg<E1000eRegisters, u32, WriteOnly> = Reg::at(0xd8);
pub(super) const EIAC: Reg<E1000eRegisters, u32> = Reg::at(0xdc);
pub(super) const IVAR: Reg<E1000eRegisters, u32> = Reg::at(0xe4);
pub(super) const RESET: u32 = 1 << 26;
/// The five causes of MSI-X, which interrupt on one message or on the line too.
const ALL: u32 = 0x1f << 20;

impl Weapon<5> for E1000eCauses {
    const NAME: &'static str = E1000e::NAME;
    const MATCHES: &'static [Id] = E1000e::MATCHES;
    type Message = E1000eMessage;

    fn new(parts: Parts) -> Result<Self, ProbeError> {
        Ok(Self { registers: parts.bar0.map()? })
    }

    fn start(&self, entry: impl Fn(E1000eMessage) -> Option<u16>) {
        let places = E1000eMessage::ALL.into_iter().enumerate();
        let valid = places.filter_map(|(index, message)| Some((index, u32::from(entry(message)?) & 7 | 8)));
        self.registers.write(&EIAC, 0);
        self.registers.write(&IVAR, valid.fold(0, |value, (index, entry)| value | entry << (4 * index)));
        self.registers.write(&IMS, ALL);
        self.fire();
    }

    fn fire(&self) {
        self.registers.write(&ICS, ALL);
    }

    fn answer(&self) -> bool {
        let found = self.registers.read(&ICR);
        if found == u32::MAX || found & ALL == 0 {
            return false;
        }
        self.registers.write(&ICR, found & ALL);
        self.registers.write(&ICS, found & ALL);
        true
    }

    fn cease(&self) {
        self.registers.write(&IMC, u32::MAX);
        self.registers.write(&ICR, u32::MAX);
    }
}

/// ivshmem: another process rings all vectors, whether anybody is there or not, once it was told that there is.
pub(super) struct IvshmemDoorbells {
    registers: Bar<IvshmemRegisters>,
    memory: Bar<SharedMemory>,
}

#[derive(Debug)]
pub(super) struct IvshmemRegisters;

impl RegisterBlock for IvshmemRegisters {
    const SIZE: u64 = 0x100;
}

const POSITION: Reg<IvshmemRegisters, u32, ReadOnly> = Reg::at(0x08);
const SERVED: Reg<SharedMemory, u64, WriteOnly> = Reg::at(place::SERVED);
const DOORBELL: Reg<IvshmemRegisters, u32, WriteOnly> = Reg::at(0x0c);

impl Weapon<VECTORS> for IvshmemDoorbells {
    const NAME: &'static str = Ivshmem::NAME;
    const MATCHES: &'static [Id] = Ivshmem::MATCHES;
    type Message = Vector;

    fn new(parts: Parts) -> Result<Self, ProbeError> {
        Ok(Self { registers: parts.bar0.map()?, memory: parts.bar2.map()? })
    }

    fn start(&self, _entry: impl Fn(Vector) -> Option<u16>) {
        self.memory.write(&SERVED, VECTORS as u64);
    }

    /// Rings the first of its own vectors.
    fn fire(&self) {
        self.registers.write(&DOORBELL, self.registers.read(&POSITION) << 16);
    }

    fn answer(&self) -> bool {
        true
    }

    fn cease(&self) {}
}
