//! edu as a source of interrupts: its one message or its line, raised by a register (QEMU, `docs/specs/edu`).

use alloc::sync::Arc;

use switchboard::driver::{Driver, Id, ProbeError};
use switchboard::function::{Function, Presence, Resources};
use switchboard::interrupt::{Claim, InIsr, Interrupts, LineIsr, Live, MessageIsr, Mode};
use switchboard::mmio::{Bar, ReadOnly, Reg, RegisterBlock, WriteOnly};
use switchboard_drivers::edu::{Edu, EduMessage};

use crate::raise::{Count, InterruptSource, Raise, RaiseError, source_of};

/// The registers that have to do with interrupts.
#[derive(Debug)]
pub struct Registers;

impl RegisterBlock for Registers {
    const SIZE: u64 = 0x100;
}

/// Bits 15 to 0: 0x00ed.
const IDENTIFICATION: Reg<Registers, u32, ReadOnly> = Reg::at(0x00);
/// Begins to compute a factorial, which takes the longer the larger the number is.
pub const FACTORIAL: Reg<Registers, u32> = Reg::at(0x08);
/// Whether a factorial interrupts when it is computed.
pub const STATUS: Reg<Registers, u32> = Reg::at(0x20);
/// Why the device interrupts.
pub const CAUSES: Reg<Registers, u32, ReadOnly> = Reg::at(0x24);
/// The bits written become causes.
pub const RAISE: Reg<Registers, u32, WriteOnly> = Reg::at(0x60);
/// Clears the causes written.
pub const ACKNOWLEDGE: Reg<Registers, u32, WriteOnly> = Reg::at(0x64);
/// `STATUS`: interrupt when a factorial is computed.
pub const INTERRUPT_WHEN_COMPUTED: u32 = 0x80;
/// A cause that the device does not raise by itself.
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
        self.sources[0].answer();
    }
}

impl LineIsr for Shared {
    fn on_line(&self, isr: &InIsr<'_>) -> Claim {
        match self.registers.read(&CAUSES) {
            0 => return Claim::NotMine,
            u32::MAX => {
                // Gone or not, the wire is somebody else's.
                let _ = self.presence.confirm();
                return Claim::NotMine;
            }
            _ => self.on_message(EduMessage::Done, isr),
        }
        Claim::Mine
    }
}

/// An edu device that is used for its interrupt alone.
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
        source_of(&self.shared.sources, source)?.number();
        self.shared.registers.write(&RAISE, RAISED);
        Ok(())
    }

    fn count(&self, source: usize) -> Count {
        self.shared.sources.get(source).map(InterruptSource::count).unwrap_or_default()
    }
}

impl Drop for EduRaiser {
    fn drop(&mut self) {
        self.shared.registers.write(&ACKNOWLEDGE, u32::MAX);
    }
}
