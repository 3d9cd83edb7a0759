//! Intel's 82574 network card as a source of interrupts: five causes, each with its own MSI-X message, or all of them on
//! one MSI message or on the line.
//!
//! Section numbers are those of Intel's 82574 datasheet (2.5). No frames are sent or received: software sets the causes,
//! which the card allows for tests (10.2.4.3).

#[cfg(test)]
mod tests;

use alloc::sync::Arc;

use switchboard::driver::{Driver, Id, ProbeError};
use switchboard::function::{Function, Presence, Resources};
use switchboard::interrupt::{Claim, Cpu, InIsr, Interrupts, LineIsr, Live, MessageIsr, MessageSet, Mode, SteerError};
use switchboard::messages;
use switchboard::mmio::{Bar, ReadOnly, Reg, RegisterBlock, WriteOnly};
use switchboard::platform::Clock;

use crate::raise::{InterruptSource, Raise, RaiseError, SourceCounts, source_of, steer};

#[derive(Debug)]
struct Registers;

impl RegisterBlock for Registers {
    const SIZE: u64 = 0x6000;
}

const CTRL: Reg<Registers, u32> = Reg::at(0x00);
const STATUS: Reg<Registers, u32, ReadOnly> = Reg::at(0x08);
/// The pending causes. Writing ones clears them; without MSI-X, reading clears all of them (10.2.4.1).
const ICR: Reg<Registers, u32> = Reg::at(0xc0);
/// Sets causes.
const ICS: Reg<Registers, u32, WriteOnly> = Reg::at(0xc8);
/// Unmasks causes.
const IMS: Reg<Registers, u32, WriteOnly> = Reg::at(0xd0);
/// Masks causes.
const IMC: Reg<Registers, u32, WriteOnly> = Reg::at(0xd8);
/// The causes that are cleared when their message is sent. None here: the handler clears its own.
const EIAC: Reg<Registers, u32> = Reg::at(0xdc);
/// The MSI-X entry of each cause: four bits for each, the highest of them "valid" (10.2.4.10).
const IVAR: Reg<Registers, u32> = Reg::at(0xe4);

const RESET: u32 = 1 << 26;
/// `ICR`, `ICS`, `IMS`: bit 20 is the first of the five causes of MSI-X.
const FIRST_CAUSE: usize = 20;

/// A reset takes a microsecond (4.6.1).
const RESET_TIMEOUT_NS: u64 = 10_000_000;

messages! {
    /// The causes, in the order of their bits.
    pub enum E1000eMessage { RxQueue0, RxQueue1, TxQueue0, TxQueue1, Other }
}

const CAUSES: usize = 5;
const ALL: u32 = 0x1f << FIRST_CAUSE;

const fn bit(message: usize) -> u32 {
    1 << (FIRST_CAUSE + message)
}

#[derive(Debug)]
struct Shared {
    registers: Bar<Registers>,
    presence: Presence,
    sources: [InterruptSource; CAUSES],
    /// With MSI-X each cause has an entry, and stays pending until it is cleared.
    is_msix: bool,
}

impl Shared {
    /// Clears the pending causes, and returns them.
    ///
    /// Reading may clear all of them, with MSI-X too (QEMU 10 and 11, and cards with a cause that is asserted: 10.2.4.1).
    /// So a handler answers every cause that was read, and not only its own: the others would be lost.
    fn take(&self) -> u32 {
        let found = self.registers.read(&ICR);
        if found == u32::MAX {
            let _ = self.presence.confirm();
            return 0;
        }
        let found = found & ALL;
        if found != 0 && self.is_msix {
            self.registers.write(&ICR, found);
        }
        found
    }

    fn serve(&self, causes: u32) {
        for (index, source) in self.sources.iter().enumerate() {
            if causes & bit(index) != 0 {
                source.served();
            }
        }
    }
}

impl MessageIsr<CAUSES> for Shared {
    type Message = E1000eMessage;

    fn on_message(&self, _message: E1000eMessage, _isr: &InIsr<'_>) {
        // The first call finds all causes, and those of the other messages none.
        self.serve(self.take());
    }
}

impl LineIsr for Shared {
    fn on_line(&self, _isr: &InIsr<'_>) -> Claim {
        match self.take() {
            0 => Claim::NotMine,
            causes => {
                self.serve(causes);
                Claim::Mine
            }
        }
    }
}

/// A card that is used only as a source of interrupts.
#[derive(Debug)]
pub struct E1000e {
    interrupts: Interrupts<CAUSES, Shared, Live>,
    shared: Arc<Shared>,
}

impl Driver for E1000e {
    const NAME: &'static str = "e1000e";
    /// 82574L on a board of its own, by which the network driver leaves it to this one: QEMU's `-device e1000e,subsys=0x5357`.
    const MATCHES: &'static [Id] = &[Id::new(0x8086, 0x10d3).subsystem(0x8086, 0x5357)];

    fn probe(function: Function) -> Result<Self, ProbeError> {
        let clock = function.clock();
        let Resources { bar0, irq, presence, .. } = function.claim()?;
        let registers = bar0.map()?;
        reset(&registers, clock)?;

        let granted: Interrupts<CAUSES, Shared> = irq.grant()?;
        let is_msix = granted.mode() == Mode::Msix;
        let shared = Arc::new(Shared { registers, presence, sources: Default::default(), is_msix });
        let interrupts = granted.register(shared.clone()).unmask();
        shared.registers.write(&EIAC, 0);
        shared.registers.write(&IVAR, ivar(|message| interrupts.entry(message)));
        shared.registers.write(&IMS, ALL);
        Ok(Self { interrupts, shared })
    }
}

/// Returns the value of `IVAR` that gives each cause the entry of its message.
fn ivar(entry: impl Fn(E1000eMessage) -> Option<u16>) -> u32 {
    let causes = E1000eMessage::ALL.into_iter().enumerate();
    let valid = causes.filter_map(|(index, message)| Some((index, u32::from(entry(message)?) & 7 | 8)));
    valid.fold(0, |value, (index, entry)| value | entry << (4 * index))
}

fn reset(registers: &Bar<Registers>, clock: &dyn Clock) -> Result<(), ProbeError> {
    registers.write(&IMC, u32::MAX);
    registers.write(&CTRL, registers.read(&CTRL) | RESET);
    let is_over = clock.wait_until(RESET_TIMEOUT_NS, || {
        let control = registers.read(&CTRL);
        // All ones is an absent card, which is checked below.
        control & RESET == 0 || control == u32::MAX
    });
    if !is_over {
        return Err(ProbeError::Device("the reset does not end"));
    }
    if registers.read(&STATUS) == u32::MAX {
        return Err(ProbeError::Device("the card does not answer"));
    }
    // The reset may have changed the mask, and may have left causes pending.
    registers.write(&IMC, u32::MAX);
    registers.write(&ICR, u32::MAX);
    Ok(())
}

impl Raise for E1000e {
    fn mode(&self) -> Mode {
        self.interrupts.mode()
    }

    fn sources(&self) -> usize {
        CAUSES
    }

    fn raise(&mut self, source: usize) -> Result<(), RaiseError> {
        self.shared.presence.check()?;
        source_of(&self.shared.sources, source)?.next_number();
        self.shared.registers.write(&ICS, bit(source));
        Ok(())
    }

    fn steer(&mut self, source: usize, cpu: Cpu) -> Result<(), SteerError> {
        steer(&mut self.interrupts, source, cpu)
    }

    fn count(&self, source: usize) -> SourceCounts {
        self.shared.sources.get(source).map(InterruptSource::count).unwrap_or_default()
    }
}

impl Drop for E1000e {
    fn drop(&mut self) {
        self.shared.registers.write(&IMC, u32::MAX);
        self.shared.registers.write(&CTRL, self.shared.registers.read(&CTRL) | RESET);
    }
}
