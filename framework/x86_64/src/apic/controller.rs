//! The interrupt controller of the machine, as the framework uses it.

use super::io::IoApics;
use super::local;
use crate::madt::Madt;
use crate::routing::Chipset;
use crate::{dispatch, drain};
use switchboard::config::ConfigAccess;
use switchboard::interrupt::{ChipsetAnswer, Gsi, Route, RouteError, RouteSource, Vector, Wire};
use switchboard::platform::{InterruptController, MessageTarget};
use switchboard::sync::IrqLock;

/// The address of interrupt messages (SDM vol. 3, 11.11.1), with the CPU in bits 12 to 19.
const MESSAGES: u64 = 0xfee0_0000;

/// The local APICs, the I/O APICs of the MADT, and the routing of lines by the chipset or by firmware.
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
        MessageTarget { address: MESSAGES | u64::from(vector.cpu() & 0xff) << 12, data: u32::from(vector.number()) }
    }

    fn raise(&self, vector: Vector) {
        local::send(vector.cpu(), vector.number());
    }

    fn call(&self, vector: Vector) {
        dispatch::call(vector);
    }

    fn drain(&self, vector: Vector) -> bool {
        drain::drain(vector)
    }

    fn clear_remote_irr(&self, vector: Vector) {
        self.io_apics.lock().clear_remote_irr(vector);
    }

    fn route(&self, wire: Wire, interrupt_line: u8) -> Result<Route, RouteError> {
        let mut io_apics = self.io_apics.lock();
        let inputs = io_apics.inputs();
        let chipset = self.chipset.answer(self.config, wire, inputs);
        let route = choose(chipset, interrupt_line, &self.madt).filter(|route| io_apics.has(route.gsi));
        route.ok_or(RouteError::NotRouted { wire, chipset, interrupt_line, inputs })
    }

    fn route_behind_bridge(&self, wire: Wire) -> Option<Route> {
        let gsi = self.chipset.behind_bridge(wire)?;
        self.io_apics.lock().has(gsi).then_some(Route { gsi, source: RouteSource::Acpi })
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

/// Chooses the route of a wire. The chipset takes precedence: its registers determine the input that the wire reaches.
/// Interrupt Line is written by firmware for the 8259 pair, and 0 where firmware wrote nothing. It is used where the
/// chipset is unknown, and ACPI tables have no route either.
fn choose(chipset: ChipsetAnswer, interrupt_line: u8, madt: &Madt) -> Option<Route> {
    let (gsi, source) = match chipset {
        ChipsetAnswer::Line(gsi) => (Some(gsi), RouteSource::Chipset),
        ChipsetAnswer::Acpi(gsi) => (Some(gsi), RouteSource::Acpi),
        ChipsetAnswer::MpTable(gsi) => (Some(gsi), RouteSource::MpTable),
        ChipsetAnswer::Isa(input) => (madt.gsi_of(input), RouteSource::Chipset),
        ChipsetAnswer::Unknown { .. } | ChipsetAnswer::UnknownWiring { .. } => {
            (madt.gsi_of(interrupt_line), RouteSource::InterruptLine)
        }
        // The wire reaches no input, whatever Interrupt Line holds.
        ChipsetAnswer::Disconnected { .. } | ChipsetAnswer::Ambiguous { .. } => (None, RouteSource::Chipset),
    };
    gsi.map(|gsi| Route { gsi, source })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Makes a MADT with one I/O APIC, and an override of ISA interrupt 11 to GSI 30.
    fn madt() -> Madt {
        let mut table = [0; 44].to_vec();
        table.extend([1, 12, 0, 0, 0, 0, 0xc0, 0xfe, 0, 0, 0, 0]);
        table.extend([2, 10, 0, 11, 30, 0, 0, 0, 0, 0]);
        Madt::parse(&table)
    }

    fn chosen(chipset: ChipsetAnswer, interrupt_line: u8) -> Option<(u32, RouteSource)> {
        choose(chipset, interrupt_line, &madt()).map(|route| (route.gsi.0, route.source))
    }

    #[test]
    fn a_known_chipset_takes_precedence() {
        assert_eq!(chosen(ChipsetAnswer::Line(Gsi(21)), 10), Some((21, RouteSource::Chipset)));
        assert_eq!(chosen(ChipsetAnswer::Acpi(Gsi(19)), 10), Some((19, RouteSource::Acpi)));
        assert_eq!(chosen(ChipsetAnswer::MpTable(Gsi(18)), 10), Some((18, RouteSource::MpTable)));
        assert_eq!(chosen(ChipsetAnswer::Isa(11), 10), Some((30, RouteSource::Chipset)));
        assert_eq!(chosen(ChipsetAnswer::Disconnected { register: 0x60, value: 0x80 }, 10), None);
        assert_eq!(chosen(ChipsetAnswer::Ambiguous { expanders: 2 }, 10), None);
    }

    #[test]
    fn interrupt_line_counts_where_the_chipset_is_unknown() {
        let unknown = ChipsetAnswer::Unknown { vendor: 0x1022, device: 0x1480 };
        assert_eq!(chosen(unknown, 10), Some((10, RouteSource::InterruptLine)));
        assert_eq!(chosen(unknown, 11), Some((30, RouteSource::InterruptLine)));
        assert_eq!((chosen(unknown, 0), chosen(unknown, 255)), (None, None));
    }
}
