//! The bare machine's interrupt delivery.

use super::io::IoApics;
use super::local;
use crate::arch::madt::Madt;
use crate::arch::routing::Chipset;
use crate::config::ConfigAccess;
use crate::interrupt::{ChipsetAnswer, Gsi, Route, RouteError, RouteSource, Vector, Wire};
use crate::machine::{InterruptController, MessageTarget};
use crate::sync::IrqLock;

/// Where messages go (SDM vol. 3, 11.11.1): this, and the CPU in bits 12 to 19.
const MESSAGES: u64 = 0xfee0_0000;

/// Local APICs by messages, I/O APICs by the MADT, lines by the chipset or firmware.
pub(crate) struct Controller {
    madt: Madt,
    io_apics: IrqLock<IoApics>,
    chipset: Chipset,
    config: &'static dyn ConfigAccess,
}

impl Controller {
    pub(crate) fn new(madt: Madt, io_apics: IoApics, chipset: Chipset, config: &'static dyn ConfigAccess) -> Self {
        Self { madt, io_apics: IrqLock::new(io_apics), chipset, config }
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

    /// The chipset comes first: what its registers say is where the wire ends. Interrupt Line is a note that firmware
    /// left, written for the 8259 pair, and 0 where firmware wrote none. It counts where the chipset is not known.
    fn route(&self, wire: Wire, interrupt_line: u8) -> Result<Route, RouteError> {
        let mut io_apics = self.io_apics.lock();
        let inputs = io_apics.inputs();
        let chipset = self.chipset.answer(self.config, wire, inputs);
        let (gsi, source) = match chipset {
            ChipsetAnswer::Line(gsi) => (Some(gsi), RouteSource::Chipset),
            ChipsetAnswer::Isa(input) => (self.madt.gsi_of(input), RouteSource::Chipset),
            ChipsetAnswer::Unknown { .. } | ChipsetAnswer::NotToldOf { .. } => {
                (self.madt.gsi_of(interrupt_line), RouteSource::InterruptLine)
            }
            // Whatever firmware noted, the wire does not end there.
            ChipsetAnswer::Disconnected { .. } | ChipsetAnswer::Ambiguous { .. } => (None, RouteSource::Chipset),
        };
        let gsi = gsi.filter(|gsi| io_apics.has(*gsi));
        let gsi = gsi.ok_or(RouteError::NotRouted { wire, chipset, interrupt_line, inputs })?;
        Ok(Route { gsi, source })
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
