//! A faulty driver, whose handler never claims its device's interrupts: the case that the storm detector handles.

use alloc::sync::Arc;

use switchboard::driver::{Driver, Id, ProbeError};
use switchboard::function::{Function, Resources};
use switchboard::interrupt::{Claim, Gsi, InIsr, Line, LineIsr, Live};
use switchboard::mmio::Bar;

use crate::edu::{ACKNOWLEDGE, RAISE, Registers};

#[derive(Debug)]
struct NeverClaims;

impl LineIsr for NeverClaims {
    fn on_line(&self, _isr: &InIsr<'_>) -> Claim {
        Claim::NotMine
    }
}

/// An edu device whose interrupts are not claimed.
#[derive(Debug)]
pub(super) struct UnclaimedEdu {
    line: Line<NeverClaims, Live>,
    registers: Bar<Registers>,
}

impl Driver for UnclaimedEdu {
    const NAME: &'static str = "unclaimed";
    const MATCHES: &'static [Id] = &[Id::new(0x1234, 0x11e8)];

    fn probe(function: Function) -> Result<Self, ProbeError> {
        let Resources { bar0, irq, .. } = function.claim()?;
        let registers = bar0.map()?;
        let line = irq.grant_line()?.register(Arc::new(NeverClaims)).unmask();
        Ok(Self { line, registers })
    }
}

impl UnclaimedEdu {
    /// Asserts the line until this is dropped.
    pub(super) fn assert_line(&self) {
        self.registers.write(&RAISE, 1);
    }

    pub(super) fn gsi(&self) -> Gsi {
        self.line.gsi()
    }
}

impl Drop for UnclaimedEdu {
    fn drop(&mut self) {
        self.registers.write(&ACKNOWLEDGE, u32::MAX);
    }
}
