//! edu as a source of interrupts: its one message or its line, raised by a register.

use alloc::sync::Arc;

use switchboard::driver::{Driver, Id, ProbeError};
use switchboard::function::{Function, Presence, Resources};
use switchboard::interrupt::{Claim, InIsr, Interrupts, LineIsr, Live, MessageIsr, Mode};
use switchboard::mmio::{Bar, Reg, WriteOnly};

use super::{ACKNOWLEDGE, CAUSES, Edu, EduMessage, Registers, check};
use crate::raise::{Count, Lane, Raise, RaiseError, lane_of};

/// The bits written become causes.
const RAISE: Reg<Registers, u32, WriteOnly> = Reg::at(0x60);
/// Any cause that the device does not raise by itself.
const RAISED: u32 = 0x100;

#[derive(Debug)]
struct Shared {
    registers: Bar<Registers>,
    presence: Presence,
    lanes: [Lane; 1],
}

impl MessageIsr<1> for Shared {
    type Message = EduMessage;

    fn on_message(&self, EduMessage::Done: EduMessage, _isr: &InIsr<'_>) {
        self.registers.write(&ACKNOWLEDGE, u32::MAX);
        self.lanes[0].answer();
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
        check(&registers)?;
        let shared = Arc::new(Shared { registers, presence, lanes: Default::default() });
        let interrupts = irq.grant()?.register(shared.clone()).unmask();
        Ok(Self { interrupts, shared })
    }
}

impl Raise for EduRaiser {
    fn mode(&self) -> Mode {
        self.interrupts.mode()
    }

    fn lanes(&self) -> usize {
        self.shared.lanes.len()
    }

    fn raise(&mut self, lane: usize) -> Result<(), RaiseError> {
        self.shared.presence.check()?;
        lane_of(&self.shared.lanes, lane)?.number();
        self.shared.registers.write(&RAISE, RAISED);
        Ok(())
    }

    fn count(&self, lane: usize) -> Count {
        self.shared.lanes.get(lane).map(Lane::count).unwrap_or_default()
    }
}

impl Drop for EduRaiser {
    fn drop(&mut self) {
        self.shared.registers.write(&ACKNOWLEDGE, u32::MAX);
    }
}
