//! QEMU's edu as a source of interrupts: one message or the line, raised by a register (QEMU, `docs/specs/edu`).

use alloc::sync::Arc;

use switchboard::driver::{Driver, Id, ProbeError};
use switchboard::function::{Function, Presence, Resources};
use switchboard::interrupt::{Claim, Cpu, InIsr, Interrupts, LineIsr, Live, MessageIsr, Mode, SteerError};
use switchboard::mmio::{Bar, ReadOnly, Reg, RegisterBlock, WriteOnly};
use switchboard_drivers::edu::{Edu, EduMessage};

use crate::raise::{InterruptSource, Raise, RaiseError, SourceCounts, source_of, steer};

/// The registers that concern interrupts.
#[derive(Debug)]
pub struct Registers;

impl RegisterBlock for Registers {
    const SIZE: u64 = 0x100;
}

/// Bits 15 to 0: 0x00ed.
const IDENTIFICATION: Reg<Registers, u32, ReadOnly> = Reg::at(0x00);
/// Starts the computation of a factorial, whose duration grows with the number.
pub const FACTORIAL: Reg<Registers, u32> = Reg::at(0x08);
/// Enables the interrupt of a computed factorial: [`INTERRUPT_WHEN_COMPUTED`].
pub const STATUS: Reg<Registers, u32> = Reg::at(0x20);
/// The pending interrupt causes.
pub const CAUSES: Reg<Registers, u32, ReadOnly> = Reg::at(0x24);
/// Sets the causes that are written.
pub const RAISE: Reg<Registers, u32, WriteOnly> = Reg::at(0x60);
/// Clears the causes that are written.
pub const ACKNOWLEDGE: Reg<Registers, u32, WriteOnly> = Reg::at(0x64);
/// `STATUS`: a computed factorial interrupts.
pub const INTERRUPT_WHEN_COMPUTED: u32 = 0x80;
/// A cause that the device itself never sets.
pub const RAISED: u32 = 0x100;

#[derive(Debug)]
struct Shared {
    registers: Bar<Registers>,
    presence: Presence,
    sources: [InterruptSource; 1],
}

impl MessageIsr<1> for Shared {
    type Message = EduMessage;

    fn on_message(&self, EduMessage::Done: EduMessage, _isr: &InIsr<'_>) {
        self.registers.write(&ACKNOWLEDGE, u32::MAX);
        self.sources[0].served();
    }
}

impl LineIsr for Shared {
    fn on_line(&self, isr: &InIsr<'_>) -> Claim {
        match self.registers.read(&CAUSES) {
            0 => return Claim::NotMine,
            u32::MAX => {
                // All ones: the device may be gone. The interrupt is another device's in any case.
                let _ = self.presence.confirm();
                return Claim::NotMine;
            }
            _ => self.on_message(EduMessage::Done, isr),
        }
        Claim::Mine
    }
}

/// An edu device that is used only as a source of interrupts.
#[derive(Debug)]
pub struct EduRaiser {
    interrupts: Interrupts<1, Shared, Live>,
    shared: Arc<Shared>,
}

impl Driver for EduRaiser {
    const NAME: &'static str = "edu";
    const MATCHES: &'static [Id] = Edu::MATCHES;

    fn probe(function: Function) -> Result<Self, ProbeError> {
        let Resources { bar0, irq, presence, .. } = function.claim()?;
        let registers = bar0.map()?;
        if registers.read(&IDENTIFICATION) & 0xffff != 0x00ed {
            return Err(ProbeError::Device("the device is not an edu device, or does not answer"));
        }
        let shared = Arc::new(Shared { registers, presence, sources: Default::default() });
        let interrupts = irq.grant()?.register(shared.clone()).unmask();
        Ok(Self { interrupts, shared })
    }
}

impl Raise for EduRaiser {
    fn mode(&self) -> Mode {
        self.interrupts.mode()
    }

    fn sources(&self) -> usize {
        self.shared.sources.len()
    }

    fn raise(&mut self, source: usize) -> Result<(), RaiseError> {
        self.shared.presence.check()?;
        source_of(&self.shared.sources, source)?.next_number();
        self.shared.registers.write(&RAISE, RAISED);
        Ok(())
    }

    fn steer(&mut self, source: usize, cpu: Cpu) -> Result<(), SteerError> {
        steer(&mut self.interrupts, source, cpu)
    }

    fn count(&self, source: usize) -> SourceCounts {
        self.shared.sources.get(source).map(InterruptSource::count).unwrap_or_default()
    }
}

impl Drop for EduRaiser {
    fn drop(&mut self) {
        self.shared.registers.write(&ACKNOWLEDGE, u32::MAX);
    }
}
