//! Three devices that interrupt without end: edu, e1000e and ivshmem.

use switchboard::driver::{Driver, Id, ProbeError};
use switchboard::interrupt::MessageSet;
use switchboard::mmio::{Bar, ReadOnly, Reg, RegisterBlock, WriteOnly};
use switchboard_drivers::edu::{Edu, EduMessage};

use super::device_under_test::{GeneratorBars, InterruptGenerator};
use crate::e1000e::{E1000e, E1000eMessage};
use crate::edu::{self, ACKNOWLEDGE, CAUSES, FACTORIAL, INTERRUPT_WHEN_COMPUTED, RAISE, RAISED, STATUS};
use crate::ivshmem::{Ivshmem, SharedMemory, VECTORS, Vector, layout};

/// edu: the device computes a factorial while the CPU runs and then interrupts, and the handler starts the next one. So the
/// interrupt may come at any instruction.
pub(super) struct EduFactorials {
    registers: Bar<edu::Registers>,
}

impl InterruptGenerator<1> for EduFactorials {
    const NAME: &'static str = Edu::NAME;
    const MATCHES: &'static [Id] = Edu::MATCHES;
    type Message = EduMessage;

    fn new(bars: GeneratorBars) -> Result<Self, ProbeError> {
        Ok(Self { registers: bars.bar0.map()? })
    }

    fn start(&self, _entry: impl Fn(EduMessage) -> Option<u16>) {
        self.registers.write(&STATUS, INTERRUPT_WHEN_COMPUTED);
        self.registers.write(&FACTORIAL, 1);
    }

    fn trigger(&self) {
        self.registers.write(&RAISE, RAISED);
    }

    fn acknowledge(&self) -> bool {
        if matches!(self.registers.read(&CAUSES), 0 | u32::MAX) {
            return false;
        }
        self.registers.write(&ACKNOWLEDGE, u32::MAX);
        self.registers.write(&FACTORIAL, 1);
        true
    }

    fn stop(&self) {
        self.registers.write(&STATUS, 0);
        self.registers.write(&ACKNOWLEDGE, u32::MAX);
    }
}

/// e1000e: the handler sets the causes again that it has cleared. The card moderates its interrupts by a timer, so they come
/// while other code runs.
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
/// The five causes that have MSI-X messages. They also interrupt by MSI and on the line.
const ALL: u32 = 0x1f << 20;

impl InterruptGenerator<5> for E1000eCauses {
    const NAME: &'static str = E1000e::NAME;
    const MATCHES: &'static [Id] = E1000e::MATCHES;
    type Message = E1000eMessage;

    fn new(bars: GeneratorBars) -> Result<Self, ProbeError> {
        Ok(Self { registers: bars.bar0.map()? })
    }

    fn start(&self, entry: impl Fn(E1000eMessage) -> Option<u16>) {
        let causes = E1000eMessage::ALL.into_iter().enumerate();
        let valid = causes.filter_map(|(index, message)| Some((index, u32::from(entry(message)?) & 7 | 8)));
        self.registers.write(&EIAC, 0);
        self.registers.write(&IVAR, valid.fold(0, |value, (index, entry)| value | entry << (4 * index)));
        self.registers.write(&IMS, ALL);
        self.trigger();
    }

    fn trigger(&self) {
        self.registers.write(&ICS, ALL);
    }

    fn acknowledge(&self) -> bool {
        let found = self.registers.read(&ICR);
        if found == u32::MAX || found & ALL == 0 {
            return false;
        }
        self.registers.write(&ICR, found & ALL);
        self.registers.write(&ICS, found & ALL);
        true
    }

    fn stop(&self) {
        self.registers.write(&IMC, u32::MAX);
        self.registers.write(&ICR, u32::MAX);
    }
}

/// ivshmem: a process of the host signals all vectors without a pause, from the moment that the guest serves them.
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
const SERVED: Reg<SharedMemory, u64, WriteOnly> = Reg::at(layout::SERVED);
const DOORBELL: Reg<IvshmemRegisters, u32, WriteOnly> = Reg::at(0x0c);

impl InterruptGenerator<VECTORS> for IvshmemDoorbells {
    const NAME: &'static str = Ivshmem::NAME;
    const MATCHES: &'static [Id] = Ivshmem::MATCHES;
    type Message = Vector;

    fn new(bars: GeneratorBars) -> Result<Self, ProbeError> {
        Ok(Self { registers: bars.bar0.map()?, memory: bars.bar2.map()? })
    }

    fn start(&self, _entry: impl Fn(Vector) -> Option<u16>) {
        self.memory.write(&SERVED, VECTORS as u64);
    }

    /// Signals the first of its own vectors.
    fn trigger(&self) {
        self.registers.write(&DOORBELL, self.registers.read(&POSITION) << 16);
    }

    fn acknowledge(&self) -> bool {
        true
    }

    fn stop(&self) {}
}
