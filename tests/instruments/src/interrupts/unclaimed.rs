//! A driver with the bug that the breaker of a line is there for: its handler does not know its own device.

use alloc::sync::Arc;

use switchboard::driver::{Driver, Id, ProbeError};
use switchboard::function::{Function, Resources};
use switchboard::interrupt::{Claim, Gsi, InIsr, Line, LineIsr, Live};
use switchboard::mmio::Bar;

use crate::edu::{ACKNOWLEDGE, RAISE, Registers};

#[derive(Debug)]
struct Deaf;

impl LineIsr for Deaf {
    fn on_line(&self, _isr: &InIsr<'_>) -> Claim {
        Claim::NotMine
    }
}

/// An edu device whose line nobody claims.
#[derive(Debug)]
pub(super) struct DeafEdu {
    line: Line<Deaf, Live>,
    registers: Bar<Registers>,
}

impl Driver for DeafEdu {
    const NAME: &'static str = "deaf";
    const MATCHES: &'static [Id] = &[Id::new(0x1234, 0x11e8)];

    fn probe(function: Function) -> Result<Self, ProbeError> {
        let Resources { bar0, irq, .. } = function.claim()?;
        let registers = bar0.map()?;
        let line = irq.grant_line()?.register(Arc::new(Deaf)).unmask();
        Ok(Self { line, registers })
    }
}

impl DeafEdu {
    /// Pulls the line, for good.
    pub(super) fn pull(&self) {
        self.registers.write(&RAISE, 1);
    }

    pub(super) fn gsi(&self) -> Gsi {
        self.line.gsi()
    }
}

impl Drop for DeafEdu {
    fn drop(&mut self) {
        self.registers.write(&ACKNOWLEDGE, u32::MAX);
    }
}
