//! The bare machine's interrupt delivery.

use super::io::IoApics;
use super::local;
use crate::arch::madt::Madt;
use crate::config::Address;
use crate::interrupt::{Gsi, Pin, Vector};
use crate::machine::{InterruptController, MessageTarget, Route, RouteError, RouteSource};
use crate::sync::IrqLock;

/// Where messages go (SDM vol. 3, 11.11.1): this, and the CPU in bits 12 to 19.
const MESSAGES: u64 = 0xfee0_0000;

/// Local APICs by messages, I/O APICs by the MADT.
#[derive(Debug)]
pub(crate) struct Controller {
    madt: Madt,
    io_apics: IrqLock<IoApics>,
}

impl Controller {
    pub(crate) fn new(madt: Madt, io_apics: IoApics) -> Self {
        Self { madt, io_apics: IrqLock::new(io_apics) }
    }
}

impl InterruptController for Controller {
    fn message(&self, vector: Vector) -> MessageTarget {
        // Fixed delivery to one CPU, edge-triggered: everything else is zero.
        MessageTarget { address: MESSAGES | u64::from(vector.cpu & 0xff) << 12, data: u32::from(vector.number) }
    }

    fn raise(&self, vector: Vector) {
        local::send(vector);
    }

    fn route(&self, _address: Address, _pin: Pin, interrupt_line: u8) -> Result<Route, RouteError> {
        let gsi = self.madt.gsi_of(interrupt_line).ok_or(RouteError::NotRouted { interrupt_line })?;
        Ok(Route { gsi, source: RouteSource::InterruptLine })
    }

    fn connect(&self, gsi: Gsi, vector: Vector) -> Result<(), RouteError> {
        self.io_apics.lock().connect(gsi, vector, self.madt.polarity_of(gsi))
    }

    fn mask(&self, gsi: Gsi) {
        self.io_apics.lock().set_masked(gsi, true);
    }

    fn unmask(&self, gsi: Gsi) {
        self.io_apics.lock().set_masked(gsi, false);
    }
}
